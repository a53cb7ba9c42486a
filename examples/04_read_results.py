"""Reading results back: parameters, camera, points and the mesh, all in the camera's frame.

python examples/02_a_folder.py && python examples/04_read_results.py
"""

from pathlib import Path

import trimesh

from smplifyx import FitResult, load_body


def main(out: Path = Path("out")) -> None:
    body = load_body()
    for path in sorted((out / "folder" / "results").rglob("*.npz")):
        result = FitResult.load(path)  # one person; no pickle in the file
        vertices = result.vertices(body)  # [V, 3] metres, y down
        focal = float(result.camera.K[0, 0])  # pixels
        distance = float(result.params.transl[2])
        height = float(vertices[:, 1].max() - vertices[:, 1].min())
        name = f"{path.parent.name}/{path.stem}"
        print(f"{name}: focal {focal:.0f} px, {distance:.1f} m away, {height:.2f} m high")

        mesh = trimesh.Trimesh(vertices.numpy(), body.faces.numpy(), process=False)
        mesh.export(out / f"{path.parent.name}_{path.stem}.ply")


if __name__ == "__main__":
    main()
