"""What every test shares: a store of bases of its own, so that no test sees another session's files."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_basis_store(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTEMLP_BASIS_DIR", str(tmp_path_factory.mktemp("bases")))
        patch.delenv("FASTEMLP_BASIS_PATH", raising=False)
        patch.delenv("FASTEMLP_BASIS_STORE", raising=False)
        yield
