# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""``zerobook frameworks``: repeat the comparison, judge what comes out."""

import math


# %% 2.1.3 book/deep_learning/frameworks.md
def gap(a, b):
    """The largest difference of two curves; infinite beside a NaN."""
    apart = [abs(x - y) for x, y in zip(a, b, strict=True)]
    return math.inf if any(map(math.isnan, apart)) else max(apart)


def faults(results, kept):
    """What differs from the record, or from what its page says."""
    from zerobook.runs import frameworks as same

    losses, found = results["losses"], []
    keras, jax = losses["keras"], losses["jax"]
    hat, single = (same.with_zerobook(rule)[0]
                   for rule in (same.HatAdam, same.SingleHatAdam))
    limits = {f"{name}: losses, from the record":
              (gap(losses[name], curve), 1e-5)
              for name, curve in kept["losses"].items()}
    limits |= {f"{name}: first gradient, from ours": (value, 1e-6)
               for name, value in results["first_gradient"].items()}
    limits["jax: losses, from ours"] = gap(jax, losses["zerobook"]), 5e-6
    limits["keras: from ours, epsilon moved"] = gap(keras, hat), 2e-5
    limits["keras: from ours, single too"] = gap(keras, single), 5e-6
    for what, (value, limit) in limits.items():
        if not value < limit:
            found.append(f"{what}: {value:.1e}, not under {limit:.0e}")
    if gap(keras, losses["zerobook"]) < 5e-5:
        found.append("keras: epsilon's place makes no difference any more")
    return found


# %% 2.1.3 book/deep_learning/frameworks.md
def frameworks(options):
    """Train one model in TensorFlow and JAX too; compare with the record."""
    from zerobook import runs
    from zerobook.press.recording import doubts, lacking, programs, run_all
    from zerobook.runs.frameworks import run

    name, root = "frameworks", options.root
    missing = lacking(name, root)
    if missing:
        print(f"{' and '.join(missing)} not installed: `make frameworks`")
        return 1
    reasons = doubts(name, programs(root)[name], root)
    if reasons:
        print(f"a new record: {'; '.join(reasons)}")
        if run_all(root, (name,)):
            return 1
    kept = runs.read(name)["results"]
    found = faults(kept if reasons else run(), kept)
    for line in found:
        print(line)
    print("frameworks:", "see above" if found else "as recorded, and as told")
    return 1 if found else 0


def add_to(verbs):
    """Add the verb to the command line."""
    verb = verbs.add_parser("frameworks", help=frameworks.__doc__)
    verb.add_argument("--root", default=".", metavar="DIR")
    verb.set_defaults(run=frameworks)
