"""Make files/lines.json: X-ray lines and EELS edges, from the tables of eXSpy.

    python datasets/recipes/lines.py

eXSpy has them from DTSA-II (X-ray lines) and from Gatan's EELS atlas (edges); they are measured
facts. Line weights are relative to the strongest line of the same family (K, L or M), edges are the
onsets of the tables in eV.
"""

import json
from pathlib import Path

import exspy
from exspy.material import elements

ROOM = Path(__file__).parents[1]


def main():
    table = {}
    for symbol, facts in elements.as_dictionary().items():
        atomic = facts.get("Atomic_properties", {}) if isinstance(facts, dict) else {}
        lines = atomic.get("Xray_lines", {})
        edges = atomic.get("Binding_energies", {})
        if not lines:
            continue
        table[symbol] = {
            "Z": facts["General_properties"]["Z"],
            "weight": facts["General_properties"]["atomic_weight"],
            "lines": {k: [v["energy (keV)"], v["weight"]] for k, v in sorted(lines.items())},
            "edges": {k: v["onset_energy (eV)"] for k, v in sorted(edges.items())},
        }
    facts = {
        "source": f"eXSpy {exspy.__version__}, exspy.material.elements",
        "units": "weights in g/mol; lines: energy in keV, weight within the family; edges in eV",
        "elements": dict(sorted(table.items(), key=lambda item: item[1]["Z"])),
    }
    path = ROOM / "files" / "lines.json"
    path.write_text(json.dumps(facts, separators=(",", ":")) + "\n", encoding="utf-8")
    print(path.name, path.stat().st_size, "bytes,", len(table), "elements")


if __name__ == "__main__":
    main()
