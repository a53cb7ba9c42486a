"""Pictures: the three z-buffers agree, geometry is exact, odd input does not crash, the report is
safe and whole.
"""

from __future__ import annotations

import re
import sys
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
import torch
import trimesh

from smplifyx.camera import Camera
from smplifyx.keypoints.names import POINT_INDEX
from smplifyx.viz import (
    Figure,
    PersonEntry,
    PhotoEntry,
    Renderer,
    Summary,
    Tone,
    draw_points,
    overlay,
    panel,
    person_colour,
    pyrender_backend,
    raster,
    shrink,
    side_view,
    write_image,
    write_report,
    zbuffer,
)
from smplifyx.viz.mesh import Mesh, clip_near, join
from smplifyx.viz.raster import Layer, rasterise
from smplifyx.viz.scene import composite
from smplifyx.viz.shade import PALETTE, add_depth_cue, shade, vertex_normals

RED, GREEN, BLUE, BLACK = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)
SIZE = (160, 120)
K = np.array([[130.0, 0, 83], [0, 140.0, 57], [0, 0, 1]])
CAMERA = Camera(K=torch.tensor(K), image_size=torch.tensor(SIZE, dtype=torch.float64))
PHOTO = np.full((SIZE[1], SIZE[0], 3), 200, np.uint8)
GL_PROBLEM = pyrender_backend.problem()
needs_gl = pytest.mark.skipif(GL_PROBLEM is not None, reason=str(GL_PROBLEM))
needs_opencv5 = pytest.mark.skipif(
    not hasattr(cv2, "triangleRasterize"), reason="OpenCV 4 has no triangleRasterize"
)
FILLS = [
    pytest.param(zbuffer.fill_numpy, id="numpy"),
    pytest.param(zbuffer.fill_opencv, id="opencv", marks=needs_opencv5),
]
RENDERERS = [Renderer.SOFTWARE, pytest.param(Renderer.PYRENDER, marks=needs_gl)]


def sphere(
    centre: tuple[float, float, float], radius: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=radius)
    return sphere.vertices + np.array(centre), np.asarray(sphere.faces)


def lit(vertices: np.ndarray, faces: np.ndarray, person: int = 0) -> Mesh:
    return Mesh(vertices, faces, shade(vertices, faces, person_colour(person)))


def scenes() -> dict[str, Mesh]:
    rod = trimesh.creation.capsule(height=1.0, radius=0.12)
    rod.apply_transform(trimesh.transformations.rotation_matrix(1.0, [1, 1, 0.3]))
    near, far = sphere((0.1, 0, 2.0)), sphere((0.5, 0.1, 2.6), 0.7)
    return {
        "sphere": lit(*sphere((0.2, -0.1, 2.0))),
        "rod": lit(np.asarray(rod.vertices) + (0, 0, 2.5), np.asarray(rod.faces)),
        "two spheres": join([lit(*near), lit(*far, person=1)]),
        "half outside": lit(*sphere((1.2, 0.9, 2.0))),
        "around the camera": lit(*sphere((0, 0, 0.45))),
    }


def filled(layer: Layer) -> np.ndarray:
    """The layer's coverage on the whole image."""
    alpha = np.zeros((SIZE[1], SIZE[0]), np.float32)
    alpha[layer.window] = layer.alpha
    return alpha


def quad(left: float, top: float, right: float, bottom: float, depth: float = 2.0) -> Mesh:
    """A white rectangle at one depth that covers these pixels."""
    corners = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1.0]])
    return Mesh(
        corners @ np.linalg.inv(K).T * depth,
        np.array([[0, 1, 2], [0, 2, 3]]),
        np.ones((4, 3), np.float32),
    )


@needs_opencv5
@pytest.mark.parametrize("name", scenes())
def test_numpy_and_opencv_draw_the_same_image(name: str) -> None:
    ours, theirs = (
        rasterise(scenes()[name], K, SIZE, fill=f)
        for f in (zbuffer.fill_numpy, zbuffer.fill_opencv)
    )
    apart = np.abs(ours.alpha - theirs.alpha) > 1e-6
    assert ours.window == theirs.window and apart.mean() < 1e-3
    same = ~apart & (ours.alpha > 0)
    assert same.sum() > 500
    np.testing.assert_allclose(ours.depth[same], theirs.depth[same], rtol=1e-4)
    np.testing.assert_allclose(ours.colour[same], theirs.colour[same], atol=2e-3)


@needs_gl
@pytest.mark.parametrize("name", scenes())
def test_pyrender_silhouette_agrees_to_a_pixel(name: str) -> None:
    ours, theirs = (
        filled(draw(scenes()[name], K, SIZE)) for draw in (rasterise, pyrender_backend.rasterise_gl)
    )
    inside, outside = (ours > 0.5).astype(np.uint8), (theirs > 0.5).astype(np.uint8)
    pixel = np.ones((3, 3), np.uint8)
    assert inside.sum() > 500
    assert (
        not (outside & ~cv2.dilate(inside, pixel) & 1).any()
        and not (inside & ~cv2.dilate(outside, pixel) & 1).any()
    )
    assert abs(ours.sum() / theirs.sum() - 1) < 0.01


@needs_gl
def test_pyrender_colours_are_premultiplied_and_equal() -> None:
    ours, theirs = (
        draw(scenes()["two spheres"], K, SIZE)
        for draw in (rasterise, pyrender_backend.rasterise_gl)
    )
    pictures = [composite(PHOTO, layer).astype(int) for layer in (ours, theirs)]
    solid = cv2.erode((filled(ours) == 1).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert np.abs(pictures[0] - pictures[1])[solid].mean() < 1
    edge = (filled(theirs) > 0.1) & (filled(theirs) < 0.9)
    # a dark rim would be 60 or more
    assert edge.any() and np.abs(pictures[0] - pictures[1])[edge].mean() < 16


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(
    "box",
    [
        (30, 20, 70, 45),
        (0, 0, 160, 120),
        (-50, -50, 12, 300),
        (30.5, 20.5, 70.5, 45.5),
        (9, 9, 9.5, 10),
    ],
)
def test_quad_covers_its_very_pixels(fill: zbuffer.Fill, box: tuple[float, ...]) -> None:
    layer = rasterise(quad(*box), K, SIZE, fill=fill)
    left, top, right, bottom = np.clip(box, 0, (*SIZE, *SIZE))
    x, y = np.arange(SIZE[0]), np.arange(SIZE[1])
    across = np.clip(np.minimum(x + 1, right) - np.maximum(x, left), 0, 1)
    down = np.clip(np.minimum(y + 1, bottom) - np.maximum(y, top), 0, 1)
    np.testing.assert_allclose(filled(layer), down[:, None] * across, atol=1e-6)
    np.testing.assert_allclose(layer.depth[layer.alpha > 0], 2.0, rtol=1e-4)
    np.testing.assert_allclose(layer.colour, np.repeat(layer.alpha[..., None], 3, -1), atol=1e-5)


@pytest.mark.parametrize("fill", FILLS)
def test_slanted_plane_has_the_depth_and_colour_of_its_pixels(fill: zbuffer.Fill) -> None:
    """Both are affine in space, not in the image: the interpolation must be perspective."""
    vertices = np.array([[-1, -1, 1.5], [1, -1, 1.5], [1, 1, 6.0], [-1, 1, 6.0]])
    colours = np.repeat((vertices[:, 2:] - 1.5) / 4.5, 3, 1).astype(np.float32)
    layer = rasterise(
        Mesh(vertices, np.array([[0, 1, 2], [0, 2, 3]]), colours), K, SIZE, supersample=1, fill=fill
    )
    rows, columns = np.nonzero(layer.alpha == 1)
    v = (rows + layer.top + 0.5 - K[1, 2]) / K[1, 1]
    depth = (1.5 + 2.25) / (1 - 2.25 * v)  # z = 1.5 + 2.25 (y + 1) with y = v z
    np.testing.assert_allclose(layer.depth[rows, columns], depth, rtol=2e-3)
    np.testing.assert_allclose(layer.colour[rows, columns, 0], (depth - 1.5) / 4.5, atol=2e-3)


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("centre", [(0.0, 0, 3), (0.6, -0.4, 2.5), (-1.0, 0.5, 4)])
def test_drawn_where_the_camera_projects(
    renderer: Renderer, centre: tuple[float, float, float]
) -> None:
    vertices, faces = sphere(centre, 0.1)
    picture = overlay(PHOTO, [Figure(BLACK, vertices)], faces, CAMERA, renderer, opacity=1.0)
    rows, columns = np.nonzero((picture != PHOTO).any(-1))
    drawn = (columns.mean() + 0.5, rows.mean() + 0.5)
    expected = CAMERA.project(torch.tensor([centre], dtype=torch.float64))[0]
    np.testing.assert_allclose(drawn, expected, atol=0.35)


@pytest.mark.parametrize("fill", FILLS)
def test_coverage_is_the_area(fill: zbuffer.Fill) -> None:
    layer = rasterise(lit(*sphere((0, 0, 3.0))), K, SIZE, fill=fill)
    # of the sphere's outline, near the axis
    disc = np.pi * K[0, 0] * K[1, 1] * 0.5**2 / (3.0**2 - 0.5**2)
    assert layer.alpha.sum() == pytest.approx(disc, rel=0.01)
    assert ((layer.alpha > 0) & (layer.alpha < 1)).sum() > 50
    assert (layer.colour <= layer.alpha[..., None] + 1e-6).all()


def test_closed_mesh_has_no_gaps_in_numpy() -> None:
    layer = rasterise(lit(*sphere((0, 0, 1.2))), K, SIZE, fill=zbuffer.fill_numpy)
    outlines, _ = cv2.findContours(
        (layer.alpha == 1).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    assert len(outlines) == 1


def test_bands_make_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = scenes()["two spheres"]
    whole = rasterise(mesh, K, SIZE)
    monkeypatch.setattr(raster, "BAND", 4000)
    monkeypatch.setattr(zbuffer, "CHUNK", 500)
    for fill in (zbuffer.best_fill(), zbuffer.fill_numpy):
        assert np.abs(rasterise(mesh, K, SIZE, fill=fill).alpha - whole.alpha).mean() < 1e-3


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_nearer_person_hides_the_farther_in_any_order(
    renderer: Renderer, order: tuple[int, int]
) -> None:
    near, faces = sphere((-0.2, 0, 2.0), 0.4)
    far, _ = sphere((0.2, 0, 3.0), 0.8)
    people = [Figure(RED, near), Figure(BLUE, far)]
    picture = overlay(PHOTO, [people[i] for i in order], faces, CAMERA, renderer)
    red, _, blue = picture[57, 70].astype(int)
    assert red > 80 > blue
    red, _, blue = picture[57, 115].astype(int)
    assert blue > 60 > red


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize(
    "vertices",
    [
        sphere((0, 0, -3.0))[0],
        sphere((0, 0, 0.0))[0],
        sphere((9.0, 0, 2.0))[0],
        np.full((642, 3), np.nan),
        sphere((0, 0, 1e6))[0],
    ],
    ids=["behind", "around", "beside", "nan", "too far"],
)
def test_people_who_cannot_be_seen_do_not_crash(renderer: Renderer, vertices: np.ndarray) -> None:
    seen, faces = sphere((0, 0, 2.0))
    both = overlay(PHOTO, [Figure(RED, vertices), Figure(GREEN, seen)], faces, CAMERA, renderer)
    assert both.shape == PHOTO.shape and both.dtype == np.uint8
    assert panel(PHOTO, [Figure(RED, vertices)], faces, CAMERA, renderer).shape[0] == SIZE[1]


def test_nobody_leaves_the_photo_alone() -> None:
    faces = sphere((0, 0, 1))[1]
    assert (overlay(PHOTO, [], faces, CAMERA) == PHOTO).all()
    assert (overlay(PHOTO, [Figure(RED)], faces, CAMERA) == PHOTO).all()


def test_faces_across_the_near_plane_are_cut_there() -> None:
    mesh = Mesh(*sphere((0, 0, 0.2)), np.linspace(0, 1, 642 * 3, dtype=np.float32).reshape(-1, 3))
    cut = clip_near(mesh, near=0.1)
    z = cut.vertices[cut.faces, 2]
    assert z.min() == pytest.approx(0.1) and z.max() == mesh.vertices[:, 2].max()
    assert (cut.colours[cut.faces] >= 0).all() and (cut.colours[cut.faces] <= 1).all()
    area = trimesh.Trimesh(cut.vertices, cut.faces, process=False).area
    assert area == pytest.approx(2 * np.pi * 0.5 * (0.7 - 0.1), rel=0.01)  # of the spherical cap
    corners = cut.vertices[cut.faces]
    outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) * (
        corners.mean(1) - (0, 0, 0.2)
    )
    assert (outward.sum(1) > -1e-12).all()


@pytest.mark.parametrize("fill", FILLS)
def test_huge_close_up_stays_within_memory(fill: zbuffer.Fill) -> None:
    """3 megapixels covered twice by faces nearly as large as the image; unbounded temporaries would
    take gigabytes.
    """
    size, close = (2000, 1500), np.array([[2e4, 0, 1000], [0, 2e4, 750], [0, 0, 1.0]])
    tracemalloc.start()
    layer = rasterise(lit(*sphere((0, 0, 0.6))), close, size, fill=fill)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert layer.alpha.shape == (1500, 2000) and (layer.alpha == 1).all()
    assert peak < 350e6


def test_photo_of_another_size_is_refused() -> None:
    faces = sphere((0, 0, 1))[1]
    with pytest.raises(ValueError, match=r"160x120 pixels, got uint8 \[10, 20, 3\]"):
        overlay(np.zeros((10, 20, 3), np.uint8), [], faces, CAMERA)
    with pytest.raises(ValueError, match="expected one camera"):
        overlay(None, [], faces, Camera(K=CAMERA.K[None], image_size=CAMERA.image_size[None]))


@pytest.mark.parametrize("lens", [1.0, 0.5])
def test_shrunken_scene_is_the_same_scene(lens: float) -> None:
    vertices, faces = sphere((0.2, 0, 3.0))
    points = np.tile([80.0, 40.0, 0.9], (137, 1))
    person = Figure(RED, vertices, points, points[:, :2])
    image, (small,), camera = shrink(PHOTO, [person], CAMERA, round(160 * lens))
    assert image.shape == (120 * lens, 160 * lens, 3) and camera.image_size.tolist() == [
        160 * lens,
        120 * lens,
    ]
    np.testing.assert_allclose(small.keypoints[0], [80 * lens, 40 * lens, 0.9])
    np.testing.assert_allclose(small.points2d[0], [80 * lens, 40 * lens])
    drawn = [
        np.argwhere((overlay(None, [p], faces, c) != 244).all(-1)).mean(0)
        for p, c in ((person, CAMERA), (small, camera))
    ]
    np.testing.assert_allclose(drawn[1], drawn[0] * lens, atol=1)


def test_side_view_shows_depth_across() -> None:
    """The nearer person stands to the left, and what the photo shows left and right lies in depth."""
    near, faces = sphere((1.5, 0, 2.0), 0.3)
    far, _ = sphere((-1.5, 0, 4.0), 0.3)
    picture = side_view([Figure(RED, near), Figure(BLUE, far)], faces, (300, 300)).astype(int)
    red = np.argwhere(picture[..., 0] - picture[..., 2] > 60)
    blue = np.argwhere(picture[..., 2] - picture[..., 0] > 60)
    assert red[:, 1].max() < blue[:, 1].min()
    # x = 1.5 is the nearer side when looked at from the right
    assert np.ptp(red[:, 1]) > 1.3 * np.ptp(blue[:, 1])


@pytest.mark.parametrize("where", [(0, 0, 2.0), (5.0, -3, 9), (0, 0, -1.0)])
@pytest.mark.parametrize("size", [(200, 300), (400, 200)])
def test_side_view_holds_everyone(where: tuple[float, float, float], size: tuple[int, int]) -> None:
    vertices, faces = sphere(where)
    picture = side_view([Figure(RED, vertices)], faces, size).astype(int)
    rows, columns = np.nonzero(picture[..., 0] - picture[..., 2] > 60)
    low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()])
    assert (low > 0).all() and (high < np.array(size) - 1).all()
    assert ((high - low) > 0.5 * min(size)).all()


def test_side_view_of_nobody_is_plain() -> None:
    assert len(np.unique(side_view([Figure(RED)], sphere((0, 0, 1))[1], (50, 40)))) <= 3


def test_points_are_dots_and_crosses_at_their_places() -> None:
    keypoints, model = np.zeros((137, 3)), np.full((137, 2), np.nan)
    nose, wrist, unseen = (POINT_INDEX[name] for name in ("nose", "left_wrist", "right_knee"))
    keypoints[nose], keypoints[wrist] = (20.5, 20.5, 0.9), (100.5, 100.5, 0.5)
    model[wrist], model[unseen] = (60.5, 60.5), (130.5, 20.5)
    picture = draw_points(PHOTO, [Figure(RED, keypoints=keypoints, points2d=model)])
    assert tuple(picture[20, 20]) == (255, 214, 10) and tuple(picture[100, 100]) == (255, 214, 10)
    assert tuple(picture[60, 60]) == (226, 40, 20)
    # the model's point has no detection to compare with
    assert (picture[20, 130] == PHOTO[20, 130]).all()
    assert (PHOTO == 200).all()


def test_panel_without_a_photo_shows_keypoints() -> None:
    keypoints = np.tile([50.0, 50.0, 1.0], (137, 1))
    picture = panel(
        None, [Figure(RED, keypoints=torch.tensor(keypoints))], sphere((0, 0, 1))[1], CAMERA
    )
    assert picture.shape[0] == SIZE[1] and picture.shape[1] > 2 * SIZE[0]
    assert tuple(picture[50, 50]) == (255, 214, 10)


def test_normals_point_outward_and_light_comes_from_above() -> None:
    vertices, faces = sphere((0, 0, 3.0))
    normals = vertex_normals(vertices, faces)
    np.testing.assert_allclose(normals, (vertices - (0, 0, 3)) / 0.5, atol=0.02)
    colours = shade(vertices, faces, PALETTE[0])
    seen = normals[:, 2] < 0
    assert colours.min() >= 0 and colours.max() <= 1
    assert (
        colours[seen & (normals[:, 1] < -0.5)].mean()
        > 1.2 * colours[seen & (normals[:, 1] > 0.5)].mean()
    )


def test_depth_cue_darkens_only_behind_an_edge() -> None:
    layer = rasterise(join([quad(0, 0, 80, 120), quad(80, 0, 160, 120, 3.0)]), K, SIZE)
    cued = add_depth_cue(layer, 130.0).colour[60, :, 0]
    assert cued[82] < 0.8 and cued[20] > 0.98 and cued[78] > 0.9 and cued[150] > 0.98


def test_palette_stays_apart_for_the_colour_blind() -> None:
    """Neighbouring people differ in what a protanope and a deuteranope see (Vienot et al. 1999)."""
    protan = np.array([[0.112, 0.888, 0], [0.112, 0.888, 0], [0.004, -0.004, 1]])
    deutan = np.array([[0.293, 0.707, 0], [0.293, 0.707, 0], [-0.021, 0.021, 1]])
    for sight in (np.eye(3), protan, deutan):
        seen = np.array(PALETTE) ** 2.2 @ sight.T
        gaps = [np.linalg.norm(a - b) for a, b in zip(seen[:4], seen[1:5], strict=True)]
        assert min(gaps) > 0.1


def module_without_gl() -> ModuleType:
    """A pyrender that imports but finds no driver."""
    module = ModuleType("pyrender")
    module.OffscreenRenderer = lambda width, height: 1 / 0
    return module


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (None, r'pip install "smplifyx\[render\]"'),
        (module_without_gl(), "apt-get install -y libegl1 libgl1"),
    ],
    ids=["no pyrender", "no GL"],
)
def test_missing_renderer_says_what_mends_it(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType | None, expected: str
) -> None:
    monkeypatch.setitem(sys.modules, "pyrender", module)
    assert re.search(expected, pyrender_backend.problem())
    with pytest.raises(pyrender_backend.RendererUnavailable, match=expected) as caught:
        overlay(
            PHOTO,
            [Figure(RED, sphere((0, 0, 2.0))[0])],
            sphere((0, 0, 2.0))[1],
            CAMERA,
            Renderer.PYRENDER,
        )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.jpg", "sub/b.PNG", "ü ß.jpeg"])
def test_images_are_written_whole(tmp_path: Path, name: str) -> None:
    image = np.zeros((20, 30, 3), np.uint8) + np.array([200, 100, 50], np.uint8)
    path = write_image(tmp_path / name, image)
    back = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert back.shape == image.shape and np.abs(back.astype(int) - image).max() <= 4
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_images_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.gif: images are written as"):
        write_image(tmp_path / "x.gif", PHOTO)


class _Page(HTMLParser):
    """Collects the tags and the addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


EVIL = "<script>alert('x')</script> & \"q\" 50% #1"


def test_report_is_whole_and_safe(tmp_path: Path) -> None:
    stem = EVIL.replace("/", "-")
    paths = [
        write_image(tmp_path / "report" / f"{stem}_{kind}.jpg", PHOTO)
        for kind in ("photo", "overlay", "side")
    ]
    people = (
        PersonEntry(
            0,
            "ok",
            Tone.GOOD,
            body_percent=1.234,
            focal=801.3,
            focal_source=EVIL,
            colour=(0.0, 0.5, 1.0),
        ),
        PersonEntry(1, EVIL, Tone.BAD, note=EVIL, body_percent=float("nan"), height=1.756),
    )
    photos = [PhotoEntry(EVIL, people, *paths, note=EVIL), PhotoEntry("keypoints only", ())]
    path = write_report(tmp_path, photos, Summary(EVIL, 4.0, (("model", EVIL),)))
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert path == tmp_path / "index.html" and "script" not in page.tags
    assert page.text.count(EVIL) == 9  # title, head, fact, name, note, camera, badge, remark, total
    assert len(page.addresses) == 6 and all(
        (tmp_path / unquote(a)).is_file() for a in page.addresses
    )
    for shown in ("1.23 %", "1.76 m", "801 px", "0.5", "rgb(0 128 255)"):
        assert shown in path.read_text(encoding="utf-8")
    assert "nan" not in page.text and "None" not in page.text


def test_report_of_nothing(tmp_path: Path) -> None:
    assert "people" in write_report(tmp_path, [], Summary("empty")).read_text(encoding="utf-8")


def test_report_names_the_missing_image(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg does not exist"):
        write_report(tmp_path, [PhotoEntry("a", (), photo=Path("report/gone.jpg"))], Summary("t"))
    assert not (tmp_path / "index.html").exists()
