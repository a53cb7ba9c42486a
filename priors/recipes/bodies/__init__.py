"""How the embedded bodies were made: CC0 MakeHuman data in, SMPL-X layout out."""
