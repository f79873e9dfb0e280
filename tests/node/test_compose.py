"""docs/compose.yaml: its commands are those of the program, and nothing of it is open to a network."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from infnet.__main__ import main
from tests.node.kills import ROOT


def test_the_services_fit_the_program_and_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    services = yaml.safe_load((ROOT / "docs" / "compose.yaml").read_text())["services"]
    for name, service in services.items():
        assert service["ports"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
    node, archive = services["node"], services["archive"]
    program, *command = node["command"]
    assert program == "infnet"
    out = command[command.index("--out") + 1]
    assert main([*command, "--status"]) == 2
    assert f"{out}: no node has run there" in capsys.readouterr().err, "its options are understood"
    assert node["volumes"] == [f"node:{out.rpartition('/')[0]}"]
    assert command[command.index("--to") + 1] == "ORTHANC@archive:4242"
    assert json.loads(archive["environment"]["ORTHANC__DICOM_MODALITIES"]) == {"infnet": ["INFNET", "node", 11112]}
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(rf"install -d -o infnet .*{re.escape(out.rpartition('/')[0])}\b", dockerfile), "it may write there"
    assert "'node'" in dockerfile, "its extra is installed"
