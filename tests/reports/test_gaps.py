"""What stands where a method has no number, and why."""

import json

from reports.evaluation import evaluate_run
from reports.tables.overview import overview


def test_a_method_that_the_plan_leaves_out_says_why(own_copy):
    file = own_copy / "plan.json"
    plan = json.loads(file.read_text())
    (setting,) = plan["settings"]
    plan["methods"] += ["anet-t", "unheard-of"]
    plan["omitted"] = [{"name": "anet-t", "setting": setting, "reason": "no other dataset"}]
    file.write_text(json.dumps(plan))
    table = overview(evaluate_run(own_copy))
    notes = {row.method: [entry.note for entry in row.entries[1:]] for row in table.rows}
    assert notes["anet-t"] == ["no other dataset"] * 2
    assert notes["unheard-of"] == ["not part of the plan"] * 2
