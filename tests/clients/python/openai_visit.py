"""What structured output is to look like, and the question that asks for it."""

from typing import Literal

from pydantic import BaseModel


class Visit(BaseModel):
    """Who comes when, with how many."""

    name: str
    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday"]
    guests: int


VISIT_QUESTION = "Anna comes on Friday with two guests. Give name, day and guests as JSON."
