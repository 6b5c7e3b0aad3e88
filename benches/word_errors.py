#!/usr/bin/env python3
"""Word error rate of transcripts against the clips' references.

usage: word_errors.py MANIFEST < JSON_LINES      (each {"file": PATH, "text": HEARD})

Reads `trunkline transcribe --json` or any JSON lines of that shape. Both sides are lower-cased, punctuation is
dropped and numbers are written as words, digit by digit where the reference does so. Prints one line a kind and one
in all: errors, words, rate.
"""
import json
import os
import re
import sys

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen " \
       "seventeen eighteen nineteen".split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
SAME = {"oh": "zero", "mr": "mister", "mrs": "missus", "dr": "doctor", "cannot": "can not", "ok": "okay"}


def number(digits, digit_by_digit):
    value = int(digits)
    if len(digits) == 4 and not digit_by_digit and 1100 <= value < 2000:
        return number(digits[:2], False) + number(digits[2:], False)
    if digit_by_digit or len(digits) > 2:
        return [ONES[int(d)] for d in digits]
    if value < 20:
        return [ONES[value]]
    return [TENS[value // 10]] + ([ONES[value % 10]] if value % 10 else [])


def words(text, digit_by_digit):
    text = text.lower().replace("’", "'")
    text = re.sub(r"(?<=\d)[-, ](?=\d)", "", text) if digit_by_digit else text
    out = []
    for token in re.findall(r"[a-z']+|\d+", text.replace("-", " ")):
        token = token.strip("'")
        if token.isdigit():
            out += number(token, digit_by_digit)
        elif token:
            out += SAME.get(token, token).split()
    return out


def errors(reference, heard):
    row = list(range(len(heard) + 1))
    for i, r in enumerate(reference, 1):
        previous, row[0] = row[0], i
        for j, h in enumerate(heard, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (r != h))
    return row[-1]


def main():
    references = {}
    for line in open(sys.argv[1]):
        path, _, _, language, transcript, _, _, _, kind = line.rstrip("\n").split("\t")
        references[os.path.basename(path)] = (language, transcript, kind)
    totals = {}
    for line in sys.stdin:
        heard = json.loads(line)
        language, transcript, kind = references[os.path.basename(heard["file"])]
        if language != "en":
            continue
        digits = "digits" in kind
        reference = words(transcript, digits)
        wrong = errors(reference, words(heard["text"] or "", digits))
        if "-v" in sys.argv and wrong:
            print(f"{wrong:3} {os.path.basename(heard['file'])}\n    {transcript}\n    {heard['text']}")
        for key in (kind, "all"):
            e, n = totals.get(key, (0, 0))
            totals[key] = (e + wrong, n + len(reference))
    for kind, (e, n) in sorted(totals.items(), key=lambda item: item[0] == "all"):
        print(f"{kind:16} {e:4} errors {n:5} words {100 * e / n:6.2f} %")


if __name__ == "__main__":
    main()
