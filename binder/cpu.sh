# Numba keeps compiled code for the processor it was compiled on. A workshop's image is built on one
# machine and run on others, so both name the same plain processor.
export NUMBA_CPU_NAME=x86-64-v3
export NUMBA_CPU_FEATURES=+avx2,+fma
