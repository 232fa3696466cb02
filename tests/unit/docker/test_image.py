"""The image recipe as it is written."""

import re

from infra.local.paths import ROOT

RECIPE = (ROOT / "infra/docker/Dockerfile").read_text()
INSTRUCTIONS = [line for line in RECIPE.splitlines() if re.match(r"[A-Z]+ ", line)]
IGNORE = (ROOT / ".dockerignore").read_text().splitlines()


def of(keyword: str) -> list[str]:
    return [line.removeprefix(keyword).strip() for line in INSTRUCTIONS if line.startswith(f"{keyword} ")]


def test_dependencies_are_installed_from_the_lock_with_their_hashes() -> None:
    installs = re.findall(r"uv pip install[^\n]*", RECIPE)
    assert installs
    assert all("--require-hashes" in line and "-r /tmp/" in line for line in installs)


def test_dependencies_are_a_layer_that_code_does_not_change() -> None:
    assert RECIPE.index("uv pip install") < RECIPE.index("COPY libs/")


def test_the_last_stage_runs_as_nobody_in_particular_and_ends_on_sigterm() -> None:
    last = RECIPE[RECIPE.rindex("\nFROM ") :]
    assert re.search(r"^USER \d+:\d+$", last, re.MULTILINE)
    assert "STOPSIGNAL SIGTERM" in last
    assert "HEALTHCHECK" in last
    assert re.search(r'^ENTRYPOINT \["', last, re.MULTILINE), "exec form: a shell would swallow SIGTERM"


def test_base_images_are_pinned_by_version() -> None:
    for line in of("ARG"):
        name, _, default = line.partition("=")
        if name.endswith("_IMAGE"):
            assert re.search(r":\d+\.\d+", default), line


def test_the_recipe_is_understood_by_old_engines() -> None:
    assert not re.search(r"^#\s*syntax\s*=", RECIPE, re.MULTILINE)
    assert "<<" not in RECIPE
    assert "--link " not in RECIPE


def test_the_build_context_holds_only_what_is_named() -> None:
    wanted = [line for line in IGNORE if line.startswith("!")]
    assert IGNORE[1] == "*"
    assert wanted == [
        "!requirements/*.txt",
        "!libs/*/",
        "!services/*/",
        "!infra/docker/image/",
        "!loadtests/",
    ]
