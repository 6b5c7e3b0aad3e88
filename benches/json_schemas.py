#!/usr/bin/env python3
"""Replies kept to random JSON schemas: how many parse, and are valid against their schema.

usage: json_schemas.py BASE_URL [--key KEY] [--model NAME] [--first 0] [--count 200] [--seed 1] [--at-once 4]

Needs `pip install openai jsonschema`. Prints one JSON line, also when it is interrupted; what is not valid, or cut, is
printed before it, progress to stderr. A reply that reaches max_tokens is cut and counted apart: it cannot be valid.
"""
import argparse
import concurrent.futures
import json
import os
import random
import re
import signal
import sys
import time

import jsonschema
import openai

TOPICS = ["a dentist's appointment", "a parcel", "a weather report", "a pizza order", "a train journey", "a repair of a "
          "telephone", "a recipe", "a library", "a bank transfer", "a lost umbrella"]
WORDS = ["name", "day", "city", "items", "price", "when", "notes", "status", "count", "who", "size", "open"]


def scalar(rng):
    kind = rng.randrange(8)
    if kind == 0:
        return {"type": "string", "enum": rng.sample(["red", "green", "two words", "é", "a\"b", "x"], rng.randint(1, 4))}
    if kind == 1:
        low = rng.randint(-20, 20)
        return {"type": "integer", "minimum": low, "maximum": low + rng.randint(0, 500)}
    if kind == 2:
        return {"type": "number", "minimum": 0, "maximum": rng.choice([1, 10.5, 1000])}
    if kind == 3:
        return {"type": "string", "maxLength": rng.randint(5, 40)}
    if kind == 4:
        return {"type": "string", "pattern": rng.choice(["^[A-Z]{2}[0-9]{3}$", "^(yes|no)$", "^[a-z]+@[a-z]+\\.com$"])}
    if kind == 5:
        return {"type": "string", "format": rng.choice(["date", "time", "date-time", "uuid"])}
    if kind == 6:
        return {"const": rng.choice([7, "fixed", None, True])}
    return {"type": rng.choice(["boolean", "null", "string"])}


def schema(rng, depth=0):
    kind = rng.randrange(6) if depth < 3 else 5
    if depth == 0 or kind in (0, 1):
        names = rng.sample(WORDS, rng.randint(1, 4))
        properties = {name: schema(rng, depth + 1) for name in names}
        required = names if rng.random() < 0.6 else rng.sample(names, rng.randint(0, len(names)))
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    if kind == 2:
        low = rng.randint(0, 2)
        return {"type": "array", "items": schema(rng, depth + 1), "minItems": low, "maxItems": low + rng.randint(0, 3)}
    if kind == 3:
        return {"anyOf": [{"type": "null"}, scalar(rng), {"type": "integer"}]}
    if kind == 4:
        return {"$ref": "#/$defs/shared"}
    return scalar(rng)


def formats():
    """Dates and times as RFC 3339 has them: the package's own checks know neither offsets nor the year 0."""
    day, time_of_day = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", r"\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})"
    checker = jsonschema.FormatChecker(formats=["uuid"])
    for name, pattern in (("date", day), ("time", time_of_day), ("date-time", f"{day}[Tt]{time_of_day}")):
        checker.checks(name)(lambda value, pattern=pattern: not isinstance(value, str) or bool(re.fullmatch(pattern, value)))
    return checker


def ask(client, args, number):
    rng = random.Random(args.seed * 100_000 + number)
    wanted = schema(rng)
    wanted["$defs"] = {"shared": scalar(rng)}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": wanted}}
    answer = client.chat.completions.create(
        model=args.model, max_tokens=args.max_tokens, temperature=rng.choice([0.0, 0.7, 1.2]), seed=number,
        messages=[{"role": "user", "content": f"Make up JSON about {rng.choice(TOPICS)}."}], response_format=form)
    choice = answer.choices[0]
    if choice.finish_reason == "length":
        return "cut", {"schema": wanted, "reply": choice.message.content}
    try:
        jsonschema.validate(json.loads(choice.message.content), wanted, format_checker=formats())
    except (ValueError, jsonschema.ValidationError) as error:
        return "invalid", {"schema": wanted, "reply": choice.message.content, "error": str(error).splitlines()[0]}
    return "valid", None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base_url")
    parser.add_argument("--key", default="none")
    parser.add_argument("--model", default="gpt-4o-mini")
    for name, value in (("first", 0), ("count", 200), ("seed", 1), ("at-once", 4), ("max-tokens", 400)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    client = openai.OpenAI(base_url=args.base_url, api_key=args.key, timeout=600)
    began, counts = time.time(), {"valid": 0, "invalid": 0, "cut": 0, "refused": 0}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    pool = concurrent.futures.ThreadPoolExecutor(args.at_once)
    try:
        asked = [pool.submit(ask, client, args, number) for number in range(args.first, args.first + args.count)]
        for future in concurrent.futures.as_completed(asked):
            try:
                outcome, detail = future.result()
            except openai.BadRequestError as error:
                outcome, detail = "refused", {"error": error.message}
            counts[outcome] += 1
            if detail:
                print(json.dumps({outcome: detail}), flush=True)
            print(f"\r{sum(counts.values())} of {args.count}", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
    print(json.dumps(counts | {"seconds": round(time.time() - began), "model": args.model, "seed": args.seed, "first": args.first}),
          flush=True)
    # Requests under way need not be waited for.
    os._exit(1 if counts["invalid"] or counts["refused"] else 0)


if __name__ == "__main__":
    main()
