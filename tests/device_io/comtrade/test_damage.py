"""Files that are cut, empty, damaged or something else: one clear sentence, whatever the bytes."""

from __future__ import annotations

import os
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_io.comtrade import FileError, open_comtrade
from tests.fakes.comtrade_writer import three_phase

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x01\x00H\x00H\x00\x00\xff\xdb\x00C\x00" + bytes(range(256)) * 40
FORMS = [(1991, "ASCII"), (1999, "ASCII"), (1999, "BINARY"), (2013, "BINARY32"), (2013, "FLOAT32")]


def refusal(path: Path, *, read: bool = False) -> str:
    with pytest.raises(FileError) as caught, open_comtrade(path) as record:
        list(record.blocks() if read else ())
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert len(sentence) > 30
    return sentence


@pytest.mark.parametrize(("revision", "form"), FORMS)
@pytest.mark.parametrize("keep", [0.999, 0.5, 0.01])
def test_cut_data(tmp_path: Path, revision: int, form: str, keep: float) -> None:
    path = three_phase(400, revision=revision, format=form).write(tmp_path)
    data = path.with_suffix(".dat")
    raw = data.read_bytes()
    data.write_bytes(raw[: int(len(raw) * keep)])
    whole = int(400 * keep)
    sentence = refusal(path)
    assert "of 400 samples: it is cut" in sentence
    ended = int(sentence.split(" samples")[0].split()[-3])
    assert abs(ended - whole) <= (3 if "BINARY" in form or form == "FLOAT32" else 25)


@pytest.mark.parametrize(("revision", "form"), FORMS)
def test_cut_single_file(tmp_path: Path, revision: int, form: str) -> None:
    path = three_phase(400, revision=revision, format=form).write_cff(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) - 3000])
    assert "of 400 samples: it is cut" in refusal(path)
    path.write_bytes(raw[:900])
    refusal(path)
    path.write_bytes(b"")
    assert "empty" in refusal(path)


def test_empty_files(tmp_path: Path) -> None:
    path = three_phase(100).write(tmp_path)
    path.with_suffix(".dat").write_bytes(b"")
    assert "empty" in refusal(path)
    path.with_suffix(".dat").write_bytes(b"\r\n\r\n\x1a")
    assert "0 of 100 samples" in refusal(path)
    path.write_bytes(b"")
    assert "empty" in refusal(path)
    path.write_bytes(b"\n\n")
    assert "empty" in refusal(path)


def test_missing_files(tmp_path: Path) -> None:
    path = three_phase(100).write(tmp_path)
    assert "There is no file" in refusal(tmp_path / "other.cfg")
    assert "There is no file" in refusal(tmp_path / "other.dat")
    assert "There is no file" in refusal(tmp_path / "other.wav")
    assert "folder" in refusal(tmp_path)
    assert "folder" in refusal(tmp_path / "")
    path.with_suffix(".dat").unlink()
    assert "no .dat file beside it" in refusal(path)
    (tmp_path / "x.dat").write_bytes(b"1")
    assert "no .cfg file beside it" in refusal(tmp_path / "x.dat")
    (tmp_path / "dir.cfg").mkdir()
    refusal(tmp_path / "dir.cfg")
    refusal(Path("bad\0name.cfg"))


def test_other_kinds_of_file(tmp_path: Path) -> None:
    for name in ("photo.cfg", "photo.cff"):
        (tmp_path / name).write_bytes(JPEG)
        assert "not a COMTRADE" in refusal(tmp_path / name)
    (tmp_path / "tone.wav").write_bytes(b"RIFF")
    assert ".cfg with its .dat" in refusal(tmp_path / "tone.wav")
    (tmp_path / "settings.cfg").write_text("[server]\nport = 80\n")
    assert "not a COMTRADE" in refusal(tmp_path / "settings.cfg")
    (tmp_path / "huge.cfg").write_bytes(b"a,b,1999\n" * 1_000_000)
    assert "too many" in refusal(tmp_path / "huge.cfg")


@pytest.mark.parametrize("form", ["ASCII", "BINARY"])
def test_data_that_is_something_else(tmp_path: Path, form: str) -> None:
    path = three_phase(100, format=form).write(tmp_path)
    path.with_suffix(".dat").write_bytes(JPEG)
    refusal(path, read=True)
    path.with_suffix(".dat").write_bytes(bytes(3_000_000))
    if form == "ASCII":
        assert "no lines" in refusal(path, read=True)


@pytest.mark.parametrize(
    ("line", "text", "sentence"),
    [
        (1, "999999999,999999999A,0D", "too early"),
        (1, "99999999999999999999,99999999999999999999A,0D", "not a COMTRADE"),
        (1, "10,7A,999999999D", "too early"),
        (1, "3,0A,3D", "no analog channels"),
        (1, "-3,-1A,3D", "not a COMTRADE"),
        (2, "1,V1", "Line 3 of the .cfg"),
        (2, "1,V1,,,V,,0.25,0,-1,1,1,1,P", "damaged"),
        (2, "1,V1,,,V,nan,0.25,0,-1,1,1,1,P", "not a number"),
        (2, "1,V1,,,V,1e999,0.25,0,-1,1,1,1,P", "not a number"),
        (2, "x,V1,,,V,1,0.25,0,-1,1,1,1,P", "damaged"),
        (13, "-1", "damaged"),
        (13, "999999999", "too early"),
        (13, "many", "damaged"),
        (14, "4000.0,0", "do not rise"),
        (14, "4000.0,-5", "do not rise"),
        (14, "4000.0,1e30", "do not rise"),
        (14, "4000.0,nan", "damaged"),
        (14, "-4000.0,400", "can't be"),
        (14, "inf,400", "can't be"),
        (14, "nan,400", "can't be"),
        (14, "4000.0,1000000000", "400 of 1000000000 samples: it is cut"),
        (14, "4000.0", "damaged"),
        (17, "BINARY64", "data format"),
        (17, "", "data format"),
    ],
)
def test_contradictions_in_the_configuration(tmp_path: Path, line: int, text: str, sentence: str) -> None:
    fake = three_phase(400)
    path = fake.write(tmp_path)
    lines = fake.config_lines()
    lines[line] = text
    path.write_text("\n".join(lines))
    assert sentence in refusal(path)


def test_columns_that_do_not_fit(tmp_path: Path) -> None:
    fake = three_phase(400)
    path = fake.write(tmp_path)
    lines = fake.data().decode().splitlines()
    data = path.with_suffix(".dat")
    data.write_text("\n".join(",".join(line.split(",")[:-1]) for line in lines))
    assert 'Row 1 of "record.dat" has 11 columns where its .cfg announces 12' in refusal(path)
    data.write_text("\n".join([*lines[:200], lines[200] + ",7,7", *lines[201:]]))
    assert "Row 201" in refusal(path, read=True)
    data.write_text("\n".join([*lines[:200], lines[200].replace(",", ",x", 3), *lines[201:]]))
    assert "is not a number" in refusal(path, read=True)
    data.write_text("\n".join(line + "," for line in lines))  # some writers do
    with open_comtrade(path) as record:
        assert sum(len(block) for _, block in record.blocks()) == 400


def test_binary_rows_of_another_size(tmp_path: Path) -> None:
    path = three_phase(400, format="BINARY32", revision=2013).write(tmp_path)
    path.write_text(path.read_text().replace("BINARY32", "BINARY"))
    assert "does not fit its .cfg" in refusal(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    for revision, form in FORMS:
        three_phase(120, revision=revision, format=form).write(folder, f"{revision}{form}")
        three_phase(120, revision=revision, format=form).write_cff(folder, f"{revision}{form}")
    return folder


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["cut", "insert", "replace", "double", "drop-line", "swap-lines"]),
        st.integers(0, 10_000),
        st.one_of(
            st.binary(max_size=6),
            st.sampled_from([b",", b"\n", b"-1", b"0", b"1e999", b"nan", b"99999999999", b"A", b"\x00", b"\xff", b"."]),
        ),
    ),
    min_size=1,
    max_size=5,
)


def mutate(raw: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for kind, place, data in changes:
        at = place % (len(raw) + 1)
        lines = raw.split(b"\n")
        line = place % len(lines)
        if kind == "cut":
            raw = raw[:at]
        elif kind == "insert":
            raw = raw[:at] + data + raw[at:]
        elif kind == "replace":
            raw = raw[:at] + data + raw[at + len(data) :]
        elif kind == "double":
            raw = raw[:at] + raw[max(at - 40, 0) :]
        elif kind == "drop-line":
            raw = b"\n".join(lines[:line] + lines[line + 1 :])
        else:
            lines[line - 1], lines[line] = lines[line], lines[line - 1]
            raw = b"\n".join(lines)
    return raw


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edition=st.sampled_from(FORMS), suffix=st.sampled_from([".cfg", ".dat", ".cff"]), changes=CHANGES)
def test_only_one_kind_of_error_escapes(
    tmp_path: Path, whole: Path, edition: tuple[int, str], suffix: str, changes: list[tuple[str, int, bytes]]
) -> None:
    stem = f"{edition[0]}{edition[1]}"
    for name in (".cfg", ".dat", ".cff"):
        raw = (whole / (stem + name)).read_bytes()
        (tmp_path / (stem + name)).write_bytes(mutate(raw, changes) if name == suffix else raw)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with suppress(FileError), open_comtrade(tmp_path / (stem + suffix)) as record:
            assert record.info.channels
            assert all(first + len(block) <= record.samples for first, block in record.blocks(50))


@pytest.mark.parametrize("name", ["record.cff", "record.cfg", "record.cfz", "record.zip"])
def test_a_zipped_record_is_to_be_unpacked(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("record.cff", "--- file type: CFG ---\r\n")
    with pytest.raises(FileError, match="is a zip archive: unpack it"):
        open_comtrade(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes among its files")
@pytest.mark.parametrize("name", ["record.cfg", "record.dat", "record.cff"])
def test_a_pipe_is_no_record(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(FileError, match="is no ordinary file"):
        open_comtrade(tmp_path / name)


def test_a_folder_beside_the_cfg_is_not_its_data(tmp_path: Path) -> None:
    path = three_phase(10).write(tmp_path)
    path.with_suffix(".dat").unlink()
    path.with_suffix(".dat").mkdir()
    with pytest.raises(FileError, match=r"has no \.dat file beside it"):
        open_comtrade(path)
