from .regression import RegressionExplorer as RegressionExplorer
