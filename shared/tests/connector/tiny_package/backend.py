"""Builds the package without a network."""

from __future__ import annotations

import pathlib
import zipfile

INFO = "airbyte_source_tiny-1.2.3.dist-info"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "airbyte_source_tiny-1.2.3-py3-none-any.whl"
    files = {
        "source_tiny.py": pathlib.Path("source_tiny.py").read_text(),
        f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: airbyte-source-tiny\nVersion: 1.2.3\n",
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{INFO}/entry_points.txt": "[console_scripts]\nsource-tiny = source_tiny:main\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{INFO}/RECORD"])
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w") as wheel:
        for file, text in {**files, f"{INFO}/RECORD": record}.items():
            wheel.writestr(file, text)
    return name
