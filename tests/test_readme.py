"""The README's Python runs as it stands, and its commands exist."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from smplifyx import FitResult

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_of_the_first_screen_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ROOT / "examples" / "data"
    (tmp_path / "keypoints").mkdir()
    shutil.copy(data / "keypoints" / "astronaut_keypoints.json", tmp_path / "keypoints")
    (tmp_path / "photos").mkdir()
    shutil.copy(data / "astronaut.png", tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(re.search(r"```python\n(.*?)```", README, re.S)[1], names)
    assert names["vertices"].shape[::2] == (1, 3)
    assert FitResult.load("person.npz").vertices(names["body"]).shape == names["vertices"].shape[1:]


def test_the_make_targets_exist() -> None:
    targets = re.findall(r"^make (\w+)", README, re.M)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets == ["demo", "test"] and all(
        re.search(rf"^{target}:", makefile, re.M) for target in targets
    )


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).is_file()
