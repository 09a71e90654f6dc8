from storage.catalogue import check


def test_a_good_file_is_summed_up(example_file, templates_folder):
    report = check([example_file], templates_folder)
    assert report.exit_code == 0
    assert report.text == (
        "演示城 / Demonstration city\n"
        "facilities: 1 (bridge 1)\n"
        "gateways: 1\n"
        "channels: 1 measured, 1 derived, 6 of faults\n"
        "limits: red 1, orange 3, yellow 2, blue 0\n"
        "limits of faults: red 1, orange 3, yellow 4, blue 1"
    )


def test_a_faulty_file_is_told_fault_by_fault(tmp_path, templates):
    file = tmp_path / "city.yaml"
    file.write_text("nmae: x\nzones: y\n", encoding="utf-8")
    report = check([file], templates)
    assert report.exit_code == 1
    assert report.text == (
        f"{file}:1: unknown key `nmae` in the document – did you mean `name`?\n"
        f"{file}:2: unknown key `zones` in the document – "
        "known: facilities, gateways, kinds, name, profiles, quantities\n"
        "2 faults"
    )
