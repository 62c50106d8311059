#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A strict reader of Prometheus' text format (version 0.0.4) and of the habits for its names, and what our tests do with it.

    promtext.py check FILE            refuses what promtool would refuse
    promtext.py names FILE RULES...   every metric that the rules or dashboards speak of is in FILE
    promtext.py value FILE EXPRESSION python over v("name", label="value", ...): the one value
    promtext.py rule-test FILE RULES  a test for `promtool test rules`: FILE as it stands, its oldest waits growing older
"""
import json
import re
import sys

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
TYPES = ("counter", "gauge", "histogram")
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def fail(number, what):
    sys.exit(f"line {number}: {what}")


def family_of(name, families):
    """A histogram's samples have names of their own."""
    for suffix in ("_bucket", "_sum", "_count"):
        base = name.removesuffix(suffix)
        if base != name and families.get(base, (None,))[0] == "histogram":
            return base
    return name


def read_labels(number, text):
    """Labels from the brace on, and what is behind them."""
    labels = {}
    at = 1
    while text[at:at + 1] != "}":
        m = LABEL.match(text, at)
        if not m or m[1] in labels or m[1].startswith("__"):
            fail(number, f"a label is wrong or there twice: {text}")
        labels[m[1]] = re.sub(r"\\.", lambda e: ESCAPES[e[0]], m[2])
        at = m.end()
        if text[at:at + 1] == ",":
            at += 1
        elif text[at:at + 1] != "}":
            fail(number, f"no comma between labels: {text}")
    return labels, text[at + 1:]


def read(path):
    families, samples, seen, now = {}, [], set(), None
    with open(path, encoding="utf-8", newline="") as f:
        data = f.read()
    if not data.endswith("\n") or "\r" in data:
        sys.exit("the text does not end with a newline, or has carriage returns")
    for number, line in enumerate(data[:-1].split("\n"), 1):
        m = re.fullmatch(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)", line)
        if m and m[1] == "HELP":
            if m[2] in families:
                fail(number, f"{m[2]} comes twice")
            families[m[2]] = (None, m[3])
            now = m[2]
        elif m:
            if m[2] != now or families[now][0] or m[3] not in TYPES:
                fail(number, f"TYPE is not behind its HELP, or unknown: {line}")
            families[now] = (m[3], families[now][1])
        elif line.startswith("#") or not line:
            fail(number, f"neither HELP nor TYPE nor a sample: {line!r}")
        else:
            name = NAME.match(line)
            if not name or family_of(name[0], families) != now or not families[now][0]:
                fail(number, f"a sample outside its family: {line}")
            rest, labels = line[name.end():], {}
            if rest.startswith("{"):
                labels, rest = read_labels(number, rest)
            if not re.fullmatch(r" [-+]?([0-9.]+([eE][-+]?[0-9]+)?|Inf|NaN)", rest):
                fail(number, f"the value of {line}")
            key = (name[0], tuple(sorted(labels.items())))
            if key in seen:
                fail(number, f"the same sample twice: {line}")
            seen.add(key)
            samples.append((name[0], labels, float(rest)))
    for name, (kind, _) in families.items():
        if not kind:
            sys.exit(f"{name} has no TYPE")
    return families, samples


def check(path):
    families, samples = read(path)
    for name, (kind, _) in families.items():
        if (kind == "counter") != name.endswith("_total"):
            sys.exit(f"{name}: a counter's name, and only that, ends in _total")
        if re.search(r"_(ms|msec|milliseconds|minutes|kb|kilobytes|mb)(_total)?$", name):
            sys.exit(f"{name}: no base unit")
    histograms = {}
    for name, labels, value in samples:
        base = family_of(name, families)
        if families[base][0] == "counter" and value < 0:
            sys.exit(f"{name} is negative")
        if families[base][0] == "histogram":
            rest = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
            histograms.setdefault((base, rest), []).append((name, labels.get("le"), value))
    for (base, _), parts in histograms.items():
        buckets = [(float(le), v) for name, le, v in parts if name == base + "_bucket"]
        count = [v for name, _, v in parts if name == base + "_count"]
        if buckets != sorted(buckets) or sorted(v for _, v in buckets) != [v for _, v in buckets]:
            sys.exit(f"{base}: buckets are not cumulative")
        if buckets[-1][0] != float("inf") or [buckets[-1][1]] != count:
            sys.exit(f"{base}: the last bucket is not the count")
        if not any(name == base + "_sum" for name, _, _ in parts):
            sys.exit(f"{base} has no sum")
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ImportError:
        return
    with open(path, encoding="utf-8") as f:
        list(text_string_to_metric_families(f.read()))


def names(path, *rules):
    families, _ = read(path)
    known = set(families)
    for name, (kind, _) in families.items():
        if kind == "histogram":
            known |= {name + suffix for suffix in ("_bucket", "_sum", "_count")}
    for rule in rules:
        with open(rule, encoding="utf-8") as f:
            said = set(re.findall(r"\blockstep_[a-z_]+\b", f.read()))
        if not said:
            sys.exit(f"{rule} speaks of no metric")
        if said - known:
            sys.exit(f"{rule} speaks of {', '.join(sorted(said - known))}")


def value(path, expression):
    _, samples = read(path)

    def v(name, **labels):
        found = [x for n, l, x in samples if n == name and labels.items() <= l.items()]
        if len(found) != 1:
            sys.exit(f"{name} {labels}: {len(found)} samples")
        return found[0]

    def labels(name):
        return [l for n, l, _ in samples if n == name]

    if not eval(expression, {"v": v, "labels": labels}):  # pylint: disable=eval-used
        sys.exit(f"not so: {expression}")


def rule_test(path, rules):
    """Story 7: what was scraped, as it would be scraped every 15 s from then on."""
    _, samples = read(path)
    series = []
    for name, labels, x in samples:
        labels = dict(labels, job="lockstep", instance="n2")
        text = ",".join(f"{k}={json.dumps(v)}" for k, v in labels.items())
        step = 15 if name == "lockstep_oldest_wait_seconds" and x > 0 else 0
        series.append({"series": f"{name}{{{text}}}", "values": f"{x:.12g}+{step}x20"})
    info = next(l for n, l, _ in samples if n == "lockstep_oldest_wait_info")
    age = next(x for n, l, x in samples
               if n == "lockstep_oldest_wait_seconds" and l["lockspace"] == info["lockspace"])
    # The first scrape after 60 s of waiting.
    fires = int((60 - age) // 15 + 1) * 15
    expected = {"severity": "warning", "job": "lockstep", "instance": "n2", **info}
    print(json.dumps({
        "rule_files": [rules], "evaluation_interval": "15s",
        "tests": [{
            "interval": "15s", "input_series": series,
            "alert_rule_test": [
                {"eval_time": f"{fires - 15}s", "alertname": "LockstepLockWaitsLong", "exp_alerts": []},
                {"eval_time": f"{fires}s", "alertname": "LockstepLockWaitsLong", "exp_alerts": [{
                    "exp_labels": expected,
                    "exp_annotations": {
                        "summary": f"{info['waiter']} on {info['waiter_node']} has waited "
                                   f"{duration(age + fires)} for the lock {info['name']}, "
                                   f"held by {info['holder']} on {info['holder_node']}",
                        "description": f"Lockspace {info['lockspace']}, mode {info['mode']}; the holder is pid "
                                       f"{info['holder_pid']} with mode {info['holder_mode']}. More on any node: "
                                       f"lockstep explain -s {info['lockspace']} '{info['name']}'"}}]},
                {"eval_time": f"{fires}s", "alertname": "LockstepDown", "exp_alerts": []},
                {"eval_time": f"{fires}s", "alertname": "LockstepWaitsForFencing", "exp_alerts": []},
            ]}]}))


def duration(seconds):
    """As humanizeDuration."""
    return f"{int(seconds) // 60}m {int(seconds) % 60}s"


if __name__ == "__main__":
    {"check": check, "names": names, "value": value, "rule-test": rule_test}[sys.argv[1]](*sys.argv[2:])
