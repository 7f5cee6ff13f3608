"""Type-checks every annotated call of the package while the tests run."""

from jaxtyping import install_import_hook

install_import_hook("zplus", "beartype.beartype")
