"""Objectives in words: one name for each, used everywhere, and what their numbers mean to a reader."""

from collections.abc import Mapping

from core.objectives.settings import Name, ObjectiveSettings
from workbench.bundles.bundle import Bundle
from workbench.what_if.what_if import Setting, trained_setting

LABELS: Mapping[Name, str] = {
    "llave": "LLaVE",
    "infonce": "InfoNCE",
    "relative": "EGA relative",
    "amplifier": "EGA amplifier",
    "focal": "Focal-InfoNCE",
    "siglip": "SigLIP",
    "debiased": "Debiased (DCL)",
    "hard_debiased": "Hard debiased (HCL)",
}
WEIGHTS: Mapping[Name, str] = {
    "llave": "A negative of similarity s weighs e^(alpha s).",
    "infonce": "Every negative weighs the same.",
    "relative": "A negative of similarity s weighs e^(beta (s - s of the right answer)): less than in InfoNCE below "
    "the right answer, more above it. A reading of EGA; the reweighted softmax is normalised.",
    "amplifier": "The pull on a negative of similarity s is InfoNCE's times e^(beta (s - s of the right answer)), not "
    "normalised. Another reading of EGA.",
    "focal": "A negative's logit is s (s + m) / tau. The weight is what that makes of InfoNCE's e^(s / tau), least at "
    "s = (1 - m) / 2; the pull is also in proportion to 2 s + m, and below s = -m / 2 it draws nearer.",
    "siglip": "Every pair is a yes-or-no question of its own, without weights. The pull on a negative is at most "
    "1 / tau, so those far above -b tau share alike.",
    "debiased": "Every negative weighs the same. From their sum is taken off what the prior holds for right by chance.",
    "hard_debiased": "A negative of similarity s weighs e^(beta s / tau), which the loss divides by the mean over the "
    "query's negatives; shown before that division. Easy negatives may be drawn nearer; shares count that too.",
}
UNKNOWN = "trained elsewhere"
"""Of a checkpoint that lies in no run of ours: what it was trained with is not known here."""
SOFTMAX_PROBABILITY = "e^-loss: the objective's probability of the right answer among the query's candidates."
RIGHT_PROBABILITY: Mapping[Name, str] = {
    "amplifier": "InfoNCE's probability of the right answer: the amplifier changes the pull on negatives only.",
    "siglip": "SigLIP's probability that the right answer matches, whatever the other candidates are: "
    "sigma(s / tau + b).",
}


def number_words(setting: Setting) -> list[str]:
    """Return the numbers of a setting: ["alpha 9", "tau 0.02"]."""
    words = {"temperature": "tau"}
    return [f"{words.get(name, name)} {value:g}" for name, value in setting.numbers.items()]


def made_by(bundle: Bundle) -> str:
    """Return the objective behind a bundle's vectors; that they were imported; or that it is not known."""
    settings = bundle.objective_settings
    if settings is not None:
        return in_words(settings)
    return "imported" if bundle.imported is not None else UNKNOWN


def in_words(settings: ObjectiveSettings) -> str:
    """Return the objective with the numbers that it ended with: "LLaVE, alpha 9, tau 0.02"."""
    setting = trained_setting(settings)
    words = [LABELS[setting.name], *number_words(setting)]
    if setting.weigh == "explicit":
        words.insert(2, "explicit negatives only")
    if settings.learn_temperature:
        words[-1] += " at first, then learned"
    return ", ".join(words)


def left_aside(settings: ObjectiveSettings) -> list[str]:
    """Say how a what-if on an evaluation's pools differs from the training, a sentence each; empty if it does not."""
    found = []
    if settings.learn_temperature:
        found.append("Tau was learned; the trained objective is shown with the value that it started from.")
    if settings.weights_by_reward and settings.reward != "policy":
        whose = "an average of the model" if settings.reward == "average" else "a frozen model"
        found.append(f"In training the weights came from the similarities of {whose}, here from the model's own.")
    if settings.name == "llave" and settings.weigh == "explicit":
        found.append(
            "In training only explicit hard negatives were weighed. Pools hold none, so with the trained objective all "
            "weigh the same."
        )
    if settings.exclude_above is not None or settings.exclude_similar is not None:
        found.append("In training some negatives were left out by their similarity, here none.")
    return found
