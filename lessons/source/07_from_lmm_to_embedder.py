# ---
# jupyter:
#   lesson:
#     number: 7
#     title: From a large multimodal model to an embedder
#     goals:
#       - follow one item through vision tower, projector and language model, shape by shape
#       - read the last token whichever side is padded, and say why the last
#       - write the prompt that a model was trained with, to the last line break
#       - count how many tokens a picture becomes, and which weights train
#     prerequisites: [1]
#     minutes: 90
#     cpu_seconds: 25
#     code: [core/encoder/embedder.py, core/encoder/pooling.py, core/encoder/prompts.py, core/encoder/freezing.py]
#     paper:
#       - LLaVE (arXiv 2503.04812), sections 3.1 and 4
#       - VLM2Vec (arXiv 2410.05160), section 3
#       - LLaVA-OneVision (arXiv 2408.03326), AnyRes
#     real:
#       command: >-
#         torchrun --nproc_per_node=2 core/train.py --output runs/lesson-07 --model.start lessons/models/infonce
#         --model.trainable.lora_rank 16 --steps 300
#       view: overview
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% tags=["parameters"]
SEED = 0

# %%
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from core.config.model_settings import TrainableSettings
from core.contrast.contrast import value_and_gradient
from core.data.miniature.benchmark import training_sets
from core.data.miniature.image_tasks import text_item
from core.data.miniature.scenes import BACKGROUNDS, COLOURS, KINDS
from core.data.miniature.words import INSTRUCTIONS
from core.data.records import Image, Item, Text, image_item
from core.encoder.embedder import Embedder
from core.encoder.freezing import make_trainable
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.objectives.hardness import HardnessWeighted
from core.training.step import batch_of, vector_gradients
from core.training.step_data import step_data
from workbench.checks import lesson_07 as check
from workbench.figures.pooling_rules import pooling_rules_figure
from workbench.figures.slider import with_slider
from workbench.figures.token_strip import knowledge_figure, token_strip_figure
from workbench.lessons import classroom
from workbench.lessons.readings import candidate_vectors, precision_at_1, read_by
from workbench.measures.token_states import hidden_states, tokens_of

classroom.begin(SEED)

# %% [markdown]
# ## One picture, three questions
#
# A CLIP-like model has one vector per picture. The models of this course are different: they are **language models
# that can see**, turned into embedders. You can ask them something, and the vector is the answer. Here is a picture of
# the miniature, and the question whether one and the same picture gets one and the same vector.

# %%
embedder = classroom.trained("llave")
item = classroom.task("shape", 20, SEED).rankings[0].query
picture = item.parts[0]
assert isinstance(picture, Image)
print(item.text)
picture.source.open().resize((192, 192))

# %% [markdown] tags=["predict"]
# **Predict.** We ask this picture for its shape, for its colour and for its background. Will the three vectors be
# nearly alike (it is the same picture), or each near to another word? What do you expect their cosines to be?

# %%
WORDS = {"shapes": list(KINDS), "colours": list(COLOURS), "backgrounds": list(BACKGROUNDS)}
answers = {name: embedder.embed([text_item(word) for word in words]) for name, words in WORDS.items()}
asked = {name: image_item(picture, INSTRUCTIONS[name]) for name in ("shape", "colour", "background")}
vectors = embedder.embed(list(asked.values()))
for name, row in zip(asked, vectors @ vectors.T, strict=True):
    print(f"{name:>10}: cosine with the three vectors", "  ".join(f"{each:.2f}" for each in row))

# %% tags=["figure"]
read = {name: tokens_of(embedder, question) for name, question in asked.items()}
longest = max(len(tokens.kinds) for tokens in read.values())


def cosines_of(vector: Float[Tensor, " d"]) -> dict[str, dict[str, float]]:
    """The cosine of a vector to every word, by group."""
    return {name: dict(zip(WORDS[name], (vectors @ vector).tolist(), strict=True)) for name, vectors in answers.items()}


with_slider(
    {
        name: token_strip_figure(read[name], len(read[name].kinds) - 1, cosines_of(vector), longest)
        for name, vector in zip(asked, vectors, strict=True)
    },
    "asked for",
    play=True,
)

# %% [markdown] tags=["instructor"]
# Three different vectors, each near to the word that was asked for. The printed matrix says how different: the picture
# is the same, and what they have in common is little. This is what "universal" means in universal multimodal
# embedding: the instruction chooses what the vector is about.

# %% [markdown]
# ## Anatomy
#
# The strip above is what the language model reads: one template token, the picture's tokens, the words, one template
# token that closes the turn. Let us follow the picture to that place. The classes are transformers' own
# LLaVA-OneVision; only the sizes are tiny.

# %%
inputs = embedder.collate([embedder.prepare(item)])
features = embedder.vision_features(inputs.images.split())[inputs.images.ids[0]]
tokens = embedder.backbone_adapter.project_images(embedder.backbone, [features], inputs.images.sizes)
states = hidden_states(embedder, inputs)
print("pixels, 0 to 255:        ", list(inputs.image_pixels.shape), "crops, colours, height, width")
print("vision tower's features: ", list(features.shape), "crops, patches of 8 x 8, width")
print("projector and line break:", list(tokens.shape), "tokens, width of the language model")
print(
    "ids of the whole input:  ", list(inputs.token_ids.shape), "items, tokens; the picture's hold places for the above"
)
print("language model's states: ", list(states.shape), "items, tokens, width")
vector = embedder.embed([item])[0]
last = torch.nn.functional.normalize(states[0, -1], dim=0)
print(f"embed() is the last state, scaled to length 1; largest difference {float((vector - last).abs().max()):.0e}")

# %% [markdown]
# Nothing was added to make it an embedder: no pooling head, no projection. The output layer that predicts the next
# word was taken off, and the state under it is the vector.
#
# ## Which token knows what
#
# The model has a state at *every* token. Why read the last one?

# %% [markdown] tags=["predict"]
# **Predict.** For each of the three answers (shape, colour, background), how near is each token's state to it: at the
# picture's tokens, at the words, at the last token? And at the very first token?

# %% tags=["figure"]
right = {
    group: max(words := cosines_of(vector)[group], key=words.__getitem__)
    for group, vector in zip(WORDS, vectors, strict=True)
}


def along(name: str) -> dict[str, Tensor]:
    """For each of the three right answers, the cosine of every token's state to it."""
    states = torch.nn.functional.normalize(read[name].states, dim=1)
    return {word: states @ answers[group][WORDS[group].index(word)] for group, word in right.items()}


with_slider(
    {
        name: knowledge_figure(tokens, {word: each.numpy() for word, each in along(name).items()}, longest)
        for name, tokens in read.items()
    },
    "asked for",
)

# %% [markdown] tags=["instructor"]
# Over the picture's tokens nothing is near to any answer: the picture has been seen, but the question not yet read.
# Over the words all three answers begin to show, mixed. Only the last token separates them: the one that was asked for
# is far above the others. It is also the only one that was ever trained to say anything; what earlier tokens hold is
# for the use of later ones. The first token's cosines are the same whatever is asked: see the next cell.

# %% [markdown]
# The reason is the **causal mask**: a language model's token sees itself and what stands before it, never what comes
# after. So the first token has seen nothing: move the slider, and its three cosines stay, whatever is asked. An item
# with another picture and another question shows it too:

# %%
other = classroom.task("how-many", 20, SEED).rankings[0].query
first, second = (tokens_of(embedder, each).states for each in (item, other))
for place, name in ((0, "first"), (-1, "last")):
    cosine = torch.cosine_similarity(first[place], second[place], dim=0)
    print(f"{name:>5} token of two different items: cosine {float(cosine):.6f}")

# %% [markdown] tags=["explain"]
# **Explain.** BERT-like encoders are read at their *first* token. Why can they, and why would it be useless here?

# %% [markdown] tags=["instructor"]
# BERT attends in both directions: its first token sees the whole text. Under a causal mask the first token is the same
# for all items (cosine 1 above): its vector would not depend on the item at all. Models that turn the causal mask off
# and train on (such as NV-Embed or LLM2Vec) may pool otherwise; LLaVE keeps it and reads the last token.

# %% [markdown]
# ## Exercise 7.1: the last token, really
#
# Batches are padded: shorter rows are filled up with pads, on the right or on the left, as the tokenizer is set up.
# `attention_mask` is 1 at a row's own tokens and 0 at pads. Write the pooling that survives both. It sounds too easy
# for an exercise. It is not: VLM2Vec's users report this mistake (issue 18; in a related project the hits among the
# first five went from 7.2 to 34.2 % when it was mended), and the published code of QQMM divides by the norm in a way
# that is right for a single row only.


# %% tags=["exercise"] exercise="7.1" difficulty=2 minutes=12
def last_vectors(states: Float[Tensor, "n length d"], attention_mask: Int[Tensor, "n length"]) -> Float[Tensor, "n d"]:
    """The state at each row's last attended token, scaled to length 1.

    attention_mask: 1 at a row's own tokens, which stand together, 0 at pads on their left or on their right. Every row
    has at least one token.
    """
    # BEGIN SOLUTION
    places = torch.arange(states.shape[1])
    last = (attention_mask * places).argmax(dim=1)
    found = states[torch.arange(len(states)), last]
    return found / found.norm(dim=-1, keepdim=True)
    # END SOLUTION


# %% tags=["check"]
check.last_vectors(last_vectors, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Multiply the mask by the places 0, 1, 2, ...: the largest value of a row stands at its last 1.

# %% [markdown] tags=["hint"]
# Hint 2: the code
# With `n, length = attention_mask.shape`, `last = (attention_mask * torch.arange(length)).argmax(dim=1)` is the place;
# `states[torch.arange(n), last]` picks one state a row; divide by `.norm(dim=-1, keepdim=True)`.

# %% [markdown] tags=["predict"]
# **Predict.** The figure scores five ways of reading on captions that look for pictures, padded on the right and on
# the left. Which bars are as high as "one by one"? Which rule fails with *right* padding, which with *left*?

# %% tags=["figure"]
RULES = {
    "yours": last_vectors,
    "place -1": lambda states, mask: states[:, -1],
    "mask.sum() - 1": lambda states, mask: states[torch.arange(len(states)), mask.sum(dim=1) - 1],
    "mean over all": lambda states, mask: states.mean(dim=1),
    "first": lambda states, mask: states[torch.arange(len(states)), mask.argmax(dim=1)],
}
task = classroom.task("caption-to-image", 50, SEED)
captions, known = [each.query for each in task.rankings], candidate_vectors(embedder, task)
alone = precision_at_1(task, torch.cat([embedder.embed([each]) for each in captions]), known)


def score(rule: str, side: Literal["left", "right"]) -> float:
    """P@1 with one rule and one side of padding, two pads wider than the longest caption needs."""
    found = read_by(embedder, captions, RULES[rule], side, further=2)
    return precision_at_1(task, torch.nn.functional.normalize(found, dim=1), known)


scores = {rule: {"right": score(rule, "right"), "left": score(rule, "left")} for rule in RULES}
pooling_rules_figure(scores, alone)

# %% [markdown] tags=["instructor"]
# Only the last attended token scores the same on both sides. "Place -1" is right by luck with left padding, the sum
# rule with right padding; a project that tests one side only never notices. The mean and the first token fail on both.
# Note that with right padding place -1 is still above chance (1 %): a pad behind the text sees the whole text, and
# its state holds a little of it. Half-right code is harder to find than code that fails.

# %% [markdown]
# ## The prompt
#
# So the vector is read behind the last token, and it depends on everything before: on the words of the instruction,
# on the template's own tokens, on the place of the picture. Here is what the first and the last are worth, on five
# data sets.

# %% [markdown] tags=["predict"]
# **Predict.** (a) Without its instruction, which data set loses most, and which loses least? (b) What happens when the
# same words stand *before* the picture instead of behind it? No information is lost.

# %%
CHANGES = {
    "as trained": lambda query: query,
    "no instruction": lambda query: Item(query.parts[:1]),
    "picture behind": lambda query: Item(query.parts[::-1]),
}
print(f"P@1 in %          {'  '.join(f'{name:>14}' for name in CHANGES)}")
for dataset in ("shape", "colour", "colour-of", "how-many", "edit"):
    task = classroom.task(dataset, 40, SEED)
    known = candidate_vectors(embedder, task)
    row = [
        precision_at_1(task, embedder.embed([change(each.query) for each in task.rankings]), known)
        for change in CHANGES.values()
    ]
    print(f"{dataset:>16}  {'  '.join(f'{100 * each:14.0f}' for each in row)}")

# %% [markdown] tags=["instructor"]
# (a) Look at the printed table. Where the pool shows what is asked for (a pool of colours only), a picture alone can be
# enough; where the instruction carries the question ("how many red circles", "make it blue"), little is left.
# (b) It drops, though nothing is lost: the model was trained with the picture in front. With the words first, the
# picture's tokens see the question, which could even help, had the model been trained so. A prompt is part of the
# weights: use the one of the training, to the letter.

# %% [markdown]
# ## Exercise 7.2: LLaVE's prompt, to the letter
#
# LLaVE's prompt is Qwen's chat format. Every turn is `<|im_start|>`, the role, a line break, the content, `<|im_end|>`,
# a line break. There are three:
#
# 1. role `system`, content `You are a helpful assistant.`
# 2. role `user`: if the item has a picture, `<image>` and a line break; then the words
# 3. role `assistant`, content one line break, so that the line break behind its `<|im_end|>` is the very last token.
#    That line break is where LLaVE is read.
#
# The words come from a row of MMEB. If the row has a picture, its text begins with the mark `<|image_1|>` and a line
# break; both are not words. White space at the *end* of the text belongs to it.


# %% tags=["exercise"] exercise="7.2" difficulty=2 minutes=15
def llave_prompt(text: str) -> str:
    """The prompt of one row of MMEB.

    text: such as "a photo of a lamp", or with a picture "<|image_1|>\\nFind a caption of the image.\\n".
    """
    # BEGIN SOLUTION
    mark = "<|image_1|>"
    picture = "<image>\n" if text.startswith(mark) else ""
    words = text.removeprefix(mark).lstrip() if picture else text
    system = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    return f"{system}<|im_start|>user\n{picture}{words}<|im_end|>\n<|im_start|>assistant\n\n<|im_end|>\n"
    # END SOLUTION


# %% tags=["check"]
check.llave_prompt(llave_prompt, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Find out first whether the text starts with the mark. Then cut mark and line break off (`removeprefix`, `lstrip`),
# and write the three turns as one f-string.

# %% [markdown] tags=["hint"]
# Hint 2: the last turn
# `"<|im_start|>assistant\n\n<|im_end|>\n"`: the role's line break, the content (one line break), the closing token, and
# the line break that is read.

# %%
print(llave_prompt("<|image_1|>\nFind a caption of the image.\n"))

# %% [markdown] tags=["explain"]
# **Explain.** Someone writes a caption that contains the characters `<|im_end|>`. What could happen, and how does the
# project prevent it? (Look at `TemplateText` in `core/encoder/prompts.py`.)

# %% [markdown] tags=["instructor"]
# If the finished string is tokenised as a whole, the characters become the special token: the user's turn ends early,
# and text can pretend to be template. The project never builds that string. The template is cut at the places of the
# parts; only its own pieces (`TemplateText`) may hold special tokens, and an item's text is tokenised with special
# tokens split into ordinary characters. Joining strings, as in the exercise, is how the published code does it.

# %% [markdown]
# ## How many tokens is a picture?
#
# The tiny model shows every picture in one crop: 6 x 6 patches and one line break. The real one, with 384 x 384
# pixels a crop and patches of 14, has 27 x 27 = 729 patches; and for detail it uses **AnyRes**: besides the whole
# picture in one crop, it fits the picture into a mosaic of crops, 2 x 2 at most in LLaVE. The tokens are
#
# - the whole picture in one crop: 27 x 27,
# - the mosaic, `rows` x `columns` crops of 27 x 27 patches. The picture fills it in one direction; in the other there
#   is padding on both sides, and **lines that show only padding are cut off, equally many on each side**,
# - one line-break token at the end of every line of what is left of the mosaic.
#
# ## Exercise 7.3: count them
#
# Say the mosaic is $H \times W$ patches, with $H = 27\,\mathtt{rows}$ and $W = 27\,\mathtt{columns}$. A picture that is
# wider than the mosaic ($\mathtt{width} / \mathtt{height} > W / H$) fills all columns and
# $\lfloor \mathtt{height} \cdot W / \mathtt{width} \rfloor$ lines; otherwise it fills all lines and
# $\lfloor \mathtt{width} \cdot H / \mathtt{height} \rfloor$ columns. Of the $p$ lines (columns) that are left over,
# $\lfloor p / 2 \rfloor$ are cut on each side. (Which mosaic a picture gets is decided before; here it is given.)


# %% tags=["exercise"] exercise="7.3" difficulty=3 minutes=15
def picture_tokens(height: int, width: int, rows: int, columns: int) -> int:
    """How many tokens a picture of height x width pixels takes, shown whole and as a mosaic of rows x columns crops."""
    # BEGIN SOLUTION
    tall, wide = 27 * rows, 27 * columns
    if width / height > wide / tall:
        tall -= 2 * ((tall - height * wide // width) // 2)
    else:
        wide -= 2 * ((wide - width * tall // height) // 2)
    return 27 * 27 + tall * (wide + 1)
    # END SOLUTION


# %% tags=["check"]
check.picture_tokens(picture_tokens, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Compute how many lines the mosaic keeps (or columns), then `27 * 27 + lines * (columns + 1)`: the `+ 1` is the line
# break at the end of each line.

# %% [markdown] tags=["hint"]
# Hint 2: the cut
# With `tall, wide = 27 * rows, 27 * columns`, a wide picture has `filled = height * wide // width`, and
# `tall - 2 * ((tall - filled) // 2)` lines are left. Cut the same number on both sides: with an odd rest one line of
# padding stays. The other case is the same with the directions exchanged.

# %%
SHAPES = {"a square icon": (384, 384, 1, 1), "a photo": (768, 1024, 2, 2), "a banner": (300, 1500, 1, 2)}
for name, shape in SHAPES.items():
    print(f"{name:>14}: {picture_tokens(*shape):5} tokens, against one caption of the miniature:", end=" ")
    print(embedder.prepare(captions[0]).length)

# %% [markdown]
# This is why pictures decide the memory and the time of a batch, and why batches of pictures need the tricks of lesson
# 6. Fewer crops are the cheapest setting there is: `--model.max_crops 1`.
#
# ## Which weights train
#
# Three ways are in use: train everything; freeze the vision tower (LLaVE); or train low-rank adapters on the language
# model (VLM2Vec). LoRA writes a frozen matrix $W$ as $W + \frac{\alpha}{r} B A$ with $A$ of shape $r \times d_{in}$ and
# $B$ of shape $d_{out} \times r$; only $A$ and $B$ train. A fresh adapter has a random $A$, and $B = 0$.

# %%
SETTINGS = {
    "everything": TrainableSettings(),
    "vision frozen": TrainableSettings(freeze=["vision"]),
    "LoRA, rank 16": TrainableSettings(freeze=["vision", "projector"], lora_rank=16, lora_alpha=32),
}
for name, settings in SETTINGS.items():
    model = tiny_embedder(SEED)
    make_trainable(model, settings)
    total = sum(weight.numel() for weight in model.parameters())
    trains = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    print(f"{name:>14}: {trains:9,} of {total:9,} weights train ({trains / total:.1%})")

# %% [markdown] tags=["predict"]
# **Predict.** One step of an untrained model on look-alikes, everything trains. Which part gets the largest
# gradient: vision tower, projector or language model? And in the step of a fresh LoRA adapter, which of the two
# matrices $A$ and $B$ gets none?

# %%
dataset = next(each for each in training_sets(SEED) if each.name == "look-alike")
pairs = [dataset[index] for index in range(8)]


def gradients_by_part(model: Embedder) -> dict[str, float]:
    """The length of the gradient of one step, for each part of the model, and for LoRA's two kinds of matrices."""
    step = step_data(0, pairs, model.prepare, model.collate, chunk=16)
    vectors = torch.cat([model(chunk) for chunk in step.chunks])
    contrast = value_and_gradient(HardnessWeighted(), batch_of(step, vectors.detach(), None))
    vectors.backward(vector_gradients(contrast, step, vectors.detach()))
    squares: dict[str, float] = {}
    for name, weight in model.backbone.named_parameters():
        if weight.grad is not None:
            kinds = [kind for kind in ("lora_A", "lora_B") if kind in name]
            part = kinds[0] if kinds else model.backbone_adapter.part_of(name)
            squares[part] = squares.get(part, 0.0) + float(weight.grad.square().sum())
    return {part: square**0.5 for part, square in squares.items()}


for name, settings in SETTINGS.items():
    model = tiny_embedder(SEED)
    make_trainable(model, settings)
    found = "  ".join(f"{part} {length:.3g}" for part, length in gradients_by_part(model.train()).items())
    print(f"{name:>14}: {found}")

# %% [markdown] tags=["instructor"]
# The printed lengths answer the first question for this model and this step. As for LoRA: $B$ starts at zero, so the
# gradient of $A$, which is $B^\top$ times something, is exactly zero in the first step; $B$ moves first. (If both
# started at zero, neither would ever move.) A fresh adapter therefore changes no vector, and training begins where the
# model was. How good the end is cannot be read from a step's gradient. LLaVE trains language model and projector in
# full.

# %% [markdown]
# ## The real model
#
# With LLaVE-0.5B converted to `checkpoints/llave-0.5b` (the README says how) and `LESSONS_REAL=1`, this cell asks it
# about the same picture. Otherwise it prints what the paper reports of it.

# %% tags=["real"]
folder = classroom.ROOT / "checkpoints" / "llave-0.5b"
if classroom.real_models() and folder.is_dir():
    real = Embedder.load(folder)
    names = [*KINDS, *COLOURS]
    choices = real.embed([text_item(word) for word in names])
    for name in ("shape", "colour"):
        question = Item((picture, Text(f"{INSTRUCTIONS[name]}\n")))
        best = (real.embed([question]) @ choices.T)[0].topk(3)
        print(name, [(names[int(place)], round(float(cosine), 3)) for cosine, place in zip(*best, strict=True)])
else:
    print("LLaVE-0.5B on MMEB, P@1 in % (paper, main results):")
    print("classification 57.4, visual questions 50.3, retrieval 59.8, grounding 82.9; all 36 data sets 59.1")

# %% [markdown]
# ## What to take away
#
# - An embedder of this kind is a language model without its output layer, read at its last token.
# - The causal mask makes the last token the only one that has seen everything; the mask tells where it is.
# - The instruction chooses what the vector is about. Prompt, template and the picture's place are part of the weights.
# - A picture is hundreds to thousands of tokens, most of the cost of a batch.
#
# ## Open questions
#
# - The tiny model reads `<|im_end|>`, LLaVE a line break, VLM2Vec the line break that ends the user's text. Does it
#   matter which token it is, as long as training and use agree? How would you test it?
# - Targets (captions, pictures) have no instruction here, as in MMEB. Should they have one? QQMM's second version and
#   B3 give them some.
# - Turn the table of prompts into a test: which check in your own project would have noticed the swapped picture?
