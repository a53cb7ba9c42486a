"""What a file is, by its first bytes, so that a message can say so to whoever gives a wrong one."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

HEAD_BYTES = 1024  # that `kind_of` looks at


class FileKind(Enum):
    """Kinds of files that people give in place of another; the values go after "this is"."""

    LFS_POINTER = "a Git LFS pointer: the file itself was not fetched (git lfs pull does)"
    ANNEX_POINTER = "a git-annex pointer: the file itself was not fetched (git annex get does)"
    WEB_PAGE = "a web page (HTML), perhaps a login page saved in the file's place"
    PHOTO = "a photo"
    OTHER_PICTURE = "a picture of a kind that is not read"
    VIDEO = "a video"
    SOUND = "a sound"
    NPZ = "a NumPy archive (.npz)"
    NPY = "a NumPy array (.npy)"
    TORCH = "a PyTorch file"
    PICKLE = "a Python pickle"
    ZIP = "a zip archive, not unpacked"
    TAR = "a tar archive, not unpacked"
    PACKED = "a packed file, not unpacked"
    MATLAB = "a MATLAB file"
    HDF5 = "an HDF5 file"
    PDF = "a PDF document"
    BVH = "a BVH motion"
    MESH = "a mesh"
    OPENCV_YAML = "OpenCV's YAML"
    XML = "an XML document"
    DATABASE = "a database"
    PROGRAM = "a program"


class _Signature(NamedTuple):
    """`magic` is a regular expression that the head matches from its beginning."""

    magic: re.Pattern[bytes]
    kind: FileKind


def _head(magic: bytes, kind: FileKind) -> _Signature:
    return _Signature(re.compile(magic, re.DOTALL), kind)


# a byte order mark and blank lines may go before a text
_BLANK = rb"(?:\xef\xbb\xbf)?\s*"
_ISO_PHOTO = rb"(?:hei[cxms]|hev[cxms]|mif[12]|msf1|avif|avis)"

_SIGNATURES = (  # the first that fits
    _head(rb"version https://git-lfs\.github\.com/", FileKind.LFS_POINTER),
    _head(rb"/annex/objects/", FileKind.ANNEX_POINTER),
    _head(_BLANK + rb"(?:<!--.{0,400}?-->\s*)?<(?i:!doctype html|html|head|body)\b",
          FileKind.WEB_PAGE),
    _head(rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF....WEBP|BM.{4}\x00{4}", FileKind.PHOTO),
    _head(rb"II\*\x00|MM\x00\*|II\+\x00|MM\x00\+", FileKind.PHOTO),
    _head(rb"\x00.{3}ftyp" + _ISO_PHOTO, FileKind.PHOTO),
    _head(rb"8BPS|%!PS|\xc5\xd0\xd3\xc6|DDS |\x00{3}\x0cjP  |\xff\x4f\xff\x51|v/1\x01|gimp xcf",
          FileKind.OTHER_PICTURE),
    _head(rb"\xff\x0a|\x00{3}\x0cJXL |qoif|FUJIFILM|P[1-6]\s[\d#]", FileKind.OTHER_PICTURE),
    _head(_BLANK + rb"(?:<\?xml[^>]{0,200}\?>\s*)?<svg\b", FileKind.OTHER_PICTURE),
    _head(rb"\x00.{3}(?:ftyp|moov|mdat|wide|free)|RIFF....AVI ", FileKind.VIDEO),
    _head(rb"\x1a\x45\xdf\xa3|FLV\x01", FileKind.VIDEO),
    _head(rb"\x00\x00\x01[\xb3\xba]|\x30\x26\xb2\x75|G.{187}G|\.RMF", FileKind.VIDEO),
    _head(rb"RIFF....WAVE|ID3|fLaC|OggS", FileKind.SOUND),
    _head(rb"PK\x03\x04.{26}[^\x00]{0,200}?\.npy", FileKind.NPZ),
    _head(rb"PK\x03\x04.{26}[^\x00/]{1,200}/(?:data\.pkl|byteorder|\.format_version|\.data|version)",
          FileKind.TORCH),
    _head(rb"PK[\x03\x05]", FileKind.ZIP),
    _head(rb"\x93NUMPY", FileKind.NPY),
    _head(rb"\x80\x02\x8a\x0al\xfc\x9cF", FileKind.TORCH),
    _head(rb"\x80[\x02-\x05](?:[\x95\]}(cqXUK.\x8c\x8aGIJMN\x88\x89]|$)", FileKind.PICKLE),
    _head(rb".{257}ustar", FileKind.TAR),
    _head(rb"\x1f\x8b|BZh[1-9]|\xfd7zXZ\x00|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!|\x04\x22\x4d\x18",
          FileKind.PACKED),
    _head(rb"MATLAB \d", FileKind.MATLAB),
    _head(rb"\x89HDF\r\n", FileKind.HDF5),
    _head(rb"%PDF", FileKind.PDF),
    _head(_BLANK + rb"HIERARCHY\b", FileKind.BVH),
    _head(rb"ply\r?\n|glTF|# ?(?:Blender|OBJ|Wavefront)", FileKind.MESH),
    _head(_BLANK + rb"%YAML:1\.0", FileKind.OPENCV_YAML),
    _head(_BLANK + rb"<\?xml", FileKind.XML),
    _head(rb"SQLite format 3|PAR1|ARROW1", FileKind.DATABASE),
    _head(rb"\x7fELF|MZ.{58}\x00\x00|#!", FileKind.PROGRAM),
)  # fmt: skip

_BY_SUFFIX = {
    FileKind.PHOTO: ".jpg .jpeg .jfif .png .webp .bmp .gif .tif .tiff .heic .heif",
    FileKind.OTHER_PICTURE: ".avif .dng .cr2 .cr3 .nef .arw .psd .svg .eps .dds .exr .hdr .jp2",
    FileKind.VIDEO: ".mp4 .m4v .mov .avi .mkv .webm .mpg .mpeg .wmv .flv .mts .3gp",
    FileKind.SOUND: ".wav .mp3 .flac .ogg .m4a",
    FileKind.NPZ: ".npz",
    FileKind.NPY: ".npy",
    FileKind.TORCH: ".pt .pth .ckpt",
    FileKind.PICKLE: ".pkl .pickle",
    FileKind.ZIP: ".zip",
    FileKind.TAR: ".tar .tar.gz .tgz .tar.bz2 .tar.xz",
    FileKind.PACKED: ".7z .rar .bz2 .xz .zst",
    FileKind.MATLAB: ".mat",
    FileKind.HDF5: ".h5 .hdf5",
    FileKind.PDF: ".pdf",
    FileKind.BVH: ".bvh",
    FileKind.MESH: ".obj .ply .glb .gltf .stl .fbx",
}
_KIND_OF_SUFFIX = {
    suffix: kind for kind, suffixes in _BY_SUFFIX.items() for suffix in suffixes.split()
}
_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar")


def kind_of(head: bytes, name: str = "") -> FileKind | None:
    """What a file is, by its first HEAD_BYTES; where they do not tell, by its name.

    None for what is not known, which text (JSON, CSV) is, too.
    """
    head = head[:HEAD_BYTES]
    for signature in _SIGNATURES:
        if signature.magic.match(head):
            is_tar = signature.kind is FileKind.PACKED and name.lower().endswith(_TARS)
            return FileKind.TAR if is_tar else signature.kind
    if head.lstrip()[:1] in (b"{", b"["):
        return None  # JSON of whatever name
    return kind_of_name(name)


def kind_of_name(name: str) -> FileKind | None:
    """What a file should be, by the suffix of its name alone."""
    lower_name = name.lower()
    if lower_name.endswith(_TARS):
        return FileKind.TAR
    return _KIND_OF_SUFFIX.get(f".{lower_name.rpartition('.')[2]}")


def what_is(head: bytes, name: str = "") -> str | None:
    """`kind_of` in words that go after "this is"; None where it is not known."""
    kind = kind_of(head, name)
    return None if kind is None else kind.value
