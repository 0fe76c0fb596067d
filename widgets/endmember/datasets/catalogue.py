"""What specimens there are: a line each, read before anything is simulated or loaded."""

from __future__ import annotations

from dataclasses import dataclass

OWN = "BSD-3-Clause"  # simulated here
LECTURES = {  # whose systems the simulated specimens remake
    "S0": "HyperSpy developers, M&M short course X-15, machine learning (2021)",
    "S1": "J. Taillon, CCEM summer school, microscopy in the age of big data (2019)",
    "S2": "S. V. Kalinin, machine learning for spectroscopy and imaging data, lecture 2",
    "S3": "R. K. Vasudevan, IMC-20 workshop, spectral and image processing",
    "S4": "HyperSpy workshop at ePSIC, multi-dimensional spectroscopy (2021)",
}


@dataclass(frozen=True)
class Entry:
    """A line of the list of specimens.

    Attributes
    ----------
    name : str
        What :func:`endmember.datasets.load` takes.
    what : str
        What it is.
    shape : tuple of int
        Shape as loaded, without settings.
    lecture : str
        Where the source lectures have it; empty for none.
    licence : str
        Under which it may be passed on.
    sha256 : str
        Digest of the file of a measured specimen.
    url : str
        Where that file lies if it is too large for the package, best a DOI with the file's name,
        ``"doi:10.5281/zenodo.1234/map.hspy"``. Nothing is listed whose licence or digest is not
        known.
    simulator : str
        Module and function that make a simulated one.
    """

    name: str
    what: str
    shape: tuple[int, ...]
    lecture: str = ""
    licence: str = OWN
    sha256: str = ""
    url: str = ""
    simulator: str = ""

    def __post_init__(self):
        """Refuse measured data that nobody could check, or pass on."""
        if not self.simulator and not (len(self.sha256) == 64 and self.licence != OWN):
            raise ValueError(
                f"the entry of {self.name!r} needs its licence and the sha256 of its file, got "
                f"{self.licence!r} and {self.sha256!r}."
            )


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(
            name="mixture",
            what="the smallest linear mixture: rank and size at will",
            shape=(32, 32, 64),
            lecture="unmixing (S0, S2, S3)",
            simulator="mixture:simulate_mixture",
        ),
        Entry(
            name="patchwork_lattices",
            what="micrograph of three lattices in hexagonal patches",
            shape=(256, 256),
            lecture="sliding FFT and N-FINDR, ideal test case (S2)",
            simulator="lattices:simulate_patchwork_lattices",
        ),
        Entry(
            name="m1m2_catalyst",
            what="micrograph of two oxides grown into each other",
            shape=(512, 512),
            lecture="sliding FFT on an oxide catalyst (S2, S3)",
            simulator="lattices:simulate_m1m2_catalyst",
        ),
        Entry(
            name="rucl3_superlattice",
            what="tunnelling image of single charges beside dimers",
            shape=(256, 256),
            lecture="coexisting order in α-RuCl₃ (S2, S3)",
            simulator="lattices:simulate_rucl3_superlattice",
        ),
        Entry(
            name="nicr_needle",
            what="X-ray maps of a layered Ni/Cr needle, tilted once round",
            shape=(37, 48, 40, 300),
            lecture="tomography of a Ni/Cr needle (S0, S1)",
            simulator="needle:simulate_nicr_needle",
        ),
        Entry(
            name="plasmon_cube",
            what="EELS maps of a silver cube's plasmons at many tilts",
            shape=(13, 48, 48, 128),
            lecture="EELS tomography with NMF (S1)",
            simulator="plasmon_cube:simulate_plasmon_cube",
        ),
        Entry(
            name="hrtem_110",
            what="micrograph of an fcc or hcp metal, with spots to measure",
            shape=(512, 512),
            lecture="HRTEM Fourier analysis (S1)",
            simulator="hrtem:simulate_hrtem_110",
        ),
        Entry(
            name="portraits",
            what="four drawn portraits, mixed in a thousand pictures",
            shape=(1000, 4096),
            lecture="Beatles images (S4)",
            simulator="portraits:simulate_portraits",
        ),
        Entry(
            name="portrait_edges",
            what="EELS map of C, Ti, Sr and O, each spread as a portrait",
            shape=(64, 64, 1024),
            lecture="EELS with the Beatles (S4)",
            simulator="portraits:simulate_portrait_edges",
        ),
        Entry(
            name="cathodoluminescence",
            what="map of the light of three bands, with dark spots at dislocations",
            shape=(64, 64, 512),
            lecture="cathodoluminescence mapping (S0, S1)",
            simulator="beyond:simulate_cathodoluminescence",
        ),
        Entry(
            name="kinetic_series",
            what="images of particles that change in two steps, a spectrum in time",
            shape=(64, 64, 100),
            lecture="time series of kinetic behaviour (S0, S1)",
            simulator="beyond:simulate_kinetic_series",
        ),
        Entry(
            name="blurred_map",
            what="EDS map of three pure phases that the probe mixes",
            shape=(96, 96, 512),
            lecture="resolution is mixing; representative? (S1, S2)",
            simulator="beyond:simulate_blurred_map",
        ),
        Entry(
            name="iron_oxides",
            what="two iron oxides that look alike until enough is counted",
            shape=(128, 128, 400),
            lecture="k-means and signal to noise (S4)",
            simulator="iron_oxides:simulate_iron_oxides",
        ),
        Entry(
            name="omphacite",
            what="a jadeite stone: two mineral names, rank four",
            shape=(96, 128, 391),
            lecture="jadeite and omphacite (S1)",
            simulator="omphacite:simulate_omphacite",
        ),
        Entry(
            name="six_compounds",
            what="a flat section of six compounds, with a Mn map that shows Fe",
            shape=(128, 128, 400),
            lecture="flat sample with more compounds (S4)",
            simulator="compounds:simulate_six_compounds",
        ),
        Entry(
            name="rough_particles",
            what="the same compounds as overlapping particles of varying thickness",
            shape=(128, 128, 400),
            lecture="non-uniform 3D sample (S4)",
            simulator="compounds:simulate_rough_particles",
        ),
        Entry(
            name="ferroic_domains",
            what="micrograph of a perovskite film with polarisation domains and rotations",
            shape=(512, 512),
            lecture="BiFeO3 on SrRuO3, FerroNET (S2)",
            simulator="ferroics:simulate_ferroic_domains",
        ),
        Entry(
            name="mos2_res2_alloy",
            what="micrograph of a MoS2-ReS2 sheet that distorts where rhenium gathers",
            shape=(512, 512),
            lecture="MoS2-ReS2 (S2, S3)",
            simulator="alloy:simulate_mos2_res2_alloy",
        ),
        Entry(
            name="silicon_in_graphene",
            what="neighbourhoods of a silicon atom in graphene that change class by chance",
            shape=(2000, 24),
            lecture="Graphene+Si under e-beam (S2)",
            simulator="silicon_in_graphene:simulate_silicon_in_graphene",
        ),
        Entry(
            name="oxide_interface",
            what="low losses across three oxides, with a layer that no reference explains",
            shape=(24, 96, 240),
            lecture="multiple linear regression (S2)",
            simulator="losses:simulate_oxide_interface",
        ),
        Entry(
            name="reduced_titania",
            what="titanium of two valences by its white lines; or a nanotube's π* and σ*",
            shape=(48, 64, 480),
            lecture="PCA of chemistry and bonding (S2)",
            simulator="losses:simulate_reduced_titania",
        ),
        Entry(
            name="silicon_edge",
            what="layers of silicon in an EELS map, and five lines that profile them",
            shape=(72, 96, 240),
            lecture="five lines of code (S1)",
            simulator="losses:simulate_silicon_edge",
        ),
        Entry(
            name="o4_modes",
            what="four atoms in a rectangle, their vibrations and the group D2h",
            shape=(2000, 12),
            lecture="normal modes and group theory (S2)",
            simulator="symmetry:simulate_o4_modes",
        ),
        Entry(
            name="sampling_targets",
            what="images to sample sparsely: grains, a lattice, a composition spread",
            shape=(64, 64),
            lecture="autonomous and dynamic sampling, compressed sensing (S1)",
            simulator="sampling:simulate_sampling_targets",
        ),
        Entry(
            name="diamond_anvil_88gpa",
            what="measured STEM-EDS map of the same family of samples at 88 GPa",
            shape=(80, 80, 1917),
            licence="MIT",
            sha256="96ab3074f53397cfdab40d999ec89f362848730f53f379ac8c2443f4722edbbf",
        ),
        Entry(
            name="mos2_stem",
            what="measured HAADF-STEM micrograph of vanadium-doped MoS2, atoms resolved",
            shape=(512, 512),
            licence="MIT",
            sha256="932d1723dff447ba86ec1286bf17f0c63df957211b188a9e5e52ae5df10828c7",
        ),
        Entry(
            name="diamond_anvil_71gpa",
            what="measured STEM-EDS map of three mantle minerals at 71 GPa",
            shape=(201, 201, 2048),
            licence="MIT",
            sha256="30a141c85278d50b6be48d6043f251d13f6f71724ec07553b6079ac08497af7c",
        ),
    )
}
