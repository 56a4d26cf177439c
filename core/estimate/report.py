"""Print an estimate in words, with what it assumes."""

from core.estimate.estimate import Estimate

GB, TERA = 1e9, 1e12


def report(plan: Estimate) -> str:
    """Return the whole plan as text of at most 120 columns."""
    parts = (heading, parameters, memory, items, arithmetic, time)
    return "\n\n".join("\n".join(part(plan)) for part in parts) + "\n"


def heading(plan: Estimate) -> list[str]:
    """Say what would be trained."""
    model = plan.settings.model
    lines = [f"Dry run of {plan.settings.output}: nothing is trained, loaded or downloaded."]
    lines.append(f"Model {model.start}; its sizes are those of {plan.origin}.")
    return lines


def parameters(plan: Estimate) -> list[str]:
    """By part, all and trained."""
    lines = [f"{'Parameters (millions)':<34}{'all':>12}{'trained':>12}"]
    for part, (total, trained) in plan.shape.parameters.items():
        lines.append(f"  {part:<32}{total / 1e6:>12,.1f}{trained / 1e6:>12,.1f}")
    total, trained = plan.shape.total
    return [*lines, f"  {'together':<32}{total / 1e6:>12,.1f}{trained / 1e6:>12,.1f}"]


def memory(plan: Estimate) -> list[str]:
    """Return of one GPU."""
    settings, found, machine = plan.settings, plan.memory, plan.settings.plan
    spread = "on each GPU whole" if settings.sharding == "none" else "language model spread over GPUs"
    rows = [
        (f"weights ({spread})", found.held.weights),
        ("gradients", found.held.gradients),
        ("gradients not yet summed over GPUs", found.held.unreduced),
        ("AdamW's moments", found.held.moments),
        ("blocks gathered from other GPUs", found.held.gathered),
        ("features of a step's pictures", found.features),
        (f"graph of a chunk of {settings.chunk} items (estimate)", found.chunk),
        ("  of the longest", found.longest),
        ("  besides, while it is gone back through", found.working),
        (f"peak, with {found.kept} of {found.chunks} graphs kept", found.peak),
    ]
    lines = [f"{f'Memory of one GPU, of {machine.memory_gb:g} GB':<58}{'GB':>8}"]
    lines += [f"  {name:<56}{value / GB:>8.2f}" for name, value in rows if value]
    if not plan.fits:
        lines.append(
            f"  IT DOES NOT FIT: the peak is above {machine.memory_gb:g} GB less what CUDA needs. Try a smaller chunk, "
            "sharding = 'full',"
        )
        lines.append("  model.trainable.activation_checkpointing, model.frozen_dtype = 'bfloat16', LoRA, or more GPUs.")
    lines.append(
        f"  Checkpoint on the disk: {plan.disk / GB:.1f} GB. All pictures' features, if cached: {cache(plan)}."
    )
    return lines


def cache(plan: Estimate) -> str:
    """Return the size of a feature cache of the whole data."""
    return f"{plan.cache / GB:,.0f} GB" if plan.cache else "none, the vision tower trains"


def items(plan: Estimate) -> list[str]:
    """Say what is assumed of queries and targets."""
    machine, picture = plan.settings.plan, plan.picture
    lines = ["Assumed of items"]
    for name, each in (("queries", plan.queries), ("targets", plan.targets)):
        lines.append(f"  {name}: {each.tokens:g} tokens of text and template; {each.pictured:.0%} have a picture")
    crops = f"{len(picture.groups)} crops, " if len(picture.groups) > 1 else ""
    lines.append(
        f"  a picture: {machine.picture_width} x {machine.picture_height} pixels: {crops}{sum(picture.groups):,} "
        f"patches, {picture.tokens:,} tokens"
    )
    lines.append(f"  explicit negatives of each pair: {plan.settings.data.negatives}; no item is met twice in a step")
    return lines


def arithmetic(plan: Estimate) -> list[str]:
    """Return of one pair."""
    flops = plan.flops
    rows = [
        ("forward, vision tower", flops.vision),
        ("forward, projector", flops.projector),
        ("forward, language model", flops.language),
        ("backward", flops.backward),
        ("again for activation checkpointing", flops.checkpointing),
        (f"again for the gradient cache ({plan.memory.twice:.0%} of items)", flops.twice),
        ("together", flops.done),
    ]
    lines = [f"{'Arithmetic of a pair':<58}{'TFLOP':>8}"]
    return lines + [f"  {name:<56}{value / TERA:>8.2f}" for name, value in rows]


def time(plan: Estimate) -> list[str]:
    """Steps, epochs, hours."""
    settings, machine = plan.settings, plan.settings.plan
    seen = settings.steps * settings.batch
    rate = machine.utilisation * machine.peak_tflops
    return [
        f"Time on {plan.gpus} x {machine.gpu}",
        f"  data: {plan.mixture.pairs:,} pairs ({plan.mixture.origin})",
        f"  {settings.steps:,} steps of {settings.batch:,} pairs: {seen:,} pairs, {plan.epochs:.2f} epochs",
        f"  at {machine.utilisation:.0%} of {machine.peak_tflops:g} TFLOP/s ({rate:.0f} TFLOP/s done; MFU "
        f"{plan.mfu:.0%}): {plan.hours:.1f} hours",
        f"  {settings.batch * plan.flops.done / TERA / plan.gpus / rate:.1f} s a step, "
        f"{seen / plan.hours / 3600:.1f} pairs a second",
    ]
