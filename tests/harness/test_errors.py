"""The first complaint of a pydantic model, taken apart."""

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from harness.errors import first_complaint


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sizes: tuple[int, ...] = (1,)

    @field_validator("sizes")
    @classmethod
    def _some(cls, sizes):
        if not sizes:
            raise ValueError("give at least one size,\n  as a number")
        return sizes


class Outer(BaseModel):
    inner: Inner
    low: int = 0

    @model_validator(mode="after")
    def _ordered(self):
        if self.low > 1:
            raise ValueError("low is above high")
        return self


def complaint(values):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    return first_complaint(caught.value)


@pytest.mark.parametrize(
    ("values", "name", "kind", "message"),
    [
        ({"inner": {"sizes": []}}, "inner.sizes", "value_error", "give at least one size, as a number"),
        ({"inner": {"sizes": [1, "a"]}}, "inner.sizes.1", "int_parsing", "unable to parse"),
        ({"inner": {"size": 1}}, "inner.size", "extra_forbidden", "not permitted"),
        ({"low": 1}, "inner", "missing", "required"),
        ({"inner": {}, "low": 2}, "", "value_error", "low is above high"),
    ],
)  # fmt: skip
def test_place_kind_and_one_line(values, name, kind, message):
    found = complaint(values)
    assert (found.name, found.kind) == (name, kind)
    assert message in found.message
    assert "\n" not in found.message
    assert not found.message.startswith("Value error")


def test_only_the_first_of_several_and_what_was_given():
    found = complaint({"inner": {"sizes": [1, "a", "b"]}, "low": "c"})
    assert found.place == ("inner", "sizes", 1)
    assert found.given == "a"
