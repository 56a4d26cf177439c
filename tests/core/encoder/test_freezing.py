"""What trains is what the settings say; passes give the same however they are run."""

import shutil

import jaxtyping
import pytest
import torch
from tiny_backbones import BACKBONES

from core.config.model_settings import TrainableSettings
from core.encoder.backbones.adapter import to_float64
from core.encoder.embedder import Embedder
from core.encoder.freezing import lora_targets, make_trainable, merge_lora, set_attention
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.encoder.tiny.qwen2_vl import tiny_qwen2_vl

LORA = {"lora_rank": 4, "lora_alpha": 8.0}


def touched(embedder: Embedder, items) -> set[str]:
    """Names of the weights that a gradient reaches."""
    embedder.zero_grad()
    vectors = embedder(embedder.collate([embedder.prepare(item) for item in items]))
    (vectors * torch.randn(vectors.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    return {name for name, weight in embedder.backbone.named_parameters()
            if weight.grad is not None and bool(weight.grad.abs().sum() > 0)}  # fmt: skip


def train_a_little(embedder: Embedder, items) -> None:
    optimizer = torch.optim.SGD([weight for weight in embedder.parameters() if weight.requires_grad], lr=0.1)
    for _ in range(2):
        touched(embedder, items)
        optimizer.step()


@pytest.mark.parametrize(("setting", "value"), [
    ("lora_rank", -1), ("lora_rank", 1025), ("lora_alpha", 0.0), ("lora_dropout", 1.0),
    ("lora_dropout", -0.1), ("dora", True), ("freeze", ["vision", "projector", "language"]),
])  # fmt: skip
def test_a_setting_out_of_range_is_named(setting, value):
    with pytest.raises(ValueError, match=f"model.trainable.{setting}"):
        TrainableSettings(**{setting: value})


def test_every_setting_has_a_docstring_for_the_command_line():
    import ast
    import inspect

    body = ast.parse(inspect.getsource(TrainableSettings)).body[0].body
    fields = [number for number, line in enumerate(body) if isinstance(line, ast.AnnAssign)]
    assert len(fields) == 10
    assert all(isinstance(body[number + 1], ast.Expr) for number in fields)


def test_targets_that_the_model_does_not_have_are_refused_with_those_it_has(fresh):
    settings = TrainableSettings(lora_targets=["q_proj", "qkv"], **LORA)
    with pytest.raises(ValueError, match=r"lora_targets has 'qkv'.*down_proj, gate_proj, k_proj"):
        make_trainable(fresh, settings)


def test_only_the_named_targets_get_adapters(fresh):
    make_trainable(fresh, TrainableSettings(lora_targets=["v_proj"], **LORA))
    adapted = {name.rsplit(".", 3)[0] for name, _ in fresh.backbone.named_parameters() if "lora_" in name}
    assert {name.rpartition(".")[2] for name in adapted} == {"v_proj"}
    assert len(adapted) == len(fresh.backbone_adapter.blocks(fresh.backbone))  # none in the vision tower


def test_without_names_every_linear_layer_of_the_blocks_gets_an_adapter():
    llama = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    clip = ["k_proj", "v_proj", "q_proj", "out_proj", "fc1", "fc2"]
    for name, expected in (("llava_onevision", llama), ("qwen2_vl", llama), ("smolvlm", llama), ("clip", clip)):
        embedder = BACKBONES[name]()
        blocks = embedder.backbone_adapter.blocks(embedder.backbone)
        assert lora_targets(blocks, []) == expected
        make_trainable(embedder, TrainableSettings(**LORA))
        assert lora_targets(blocks, []) == expected  # adapters on them change nothing
        make_trainable(embedder, TrainableSettings(lora_targets=expected, **LORA))


def test_a_gaussian_beginning_is_peft_s_own(fresh, mixed):
    """Deviation 1 / rank, as in VLM2Vec's recipe; the default's is uniform and depends on the width."""
    vectors = fresh.embed(mixed)
    torch.manual_seed(0)
    make_trainable(fresh, TrainableSettings(lora_rank=8, lora_init="gaussian"))
    drawn = torch.cat([w.detach().flatten() for n, w in fresh.backbone.named_parameters() if "lora_A" in n])
    assert drawn.std() == pytest.approx(1 / 8, rel=0.05)
    assert drawn.abs().max() > 3 / 8
    torch.testing.assert_close(fresh.embed(mixed), vectors, rtol=0, atol=1e-6)


@pytest.fixture
def based(fresh, tmp_path):
    """An embedder that was loaded from a folder, and so has a base."""
    fresh.save(tmp_path / "run" / "base")
    return Embedder.load(tmp_path / "run" / "base")


@pytest.mark.parametrize("extra", [
    {}, {"dora": True}, {"lora_targets": ["q_proj", "up_proj"]}, {"freeze": ["vision", "projector"]},
])  # fmt: skip
def test_an_adapter_is_saved_alone_and_comes_back(based, mixed, tmp_path, extra):
    make_trainable(based, TrainableSettings(**{"freeze": ["vision"], **LORA, **extra}))
    train_a_little(based, mixed)
    vectors = based.embed(mixed)
    folder = tmp_path / "run" / "checkpoints" / "000002"
    based.save(folder)
    names = {"adapter_model.safetensors", "adapter_config.json", "embedder.json"}
    beside = set() if "projector" in extra.get("freeze", []) else {"trained.safetensors"}
    assert {path.name for path in folder.iterdir()} - {"README.md"} == names | beside
    loaded = Embedder.load(folder)
    assert torch.equal(loaded.embed(mixed), vectors)
    assert {*loaded.state_dict()} == {*based.state_dict()}
    again = tmp_path / "run" / "checkpoints" / "000003"
    loaded.save(again)
    assert torch.equal(Embedder.load(again).embed(mixed), vectors)
    moved = tmp_path / "moved"
    shutil.move(tmp_path / "run", moved)
    assert torch.equal(Embedder.load(moved / "checkpoints" / "000003").embed(mixed), vectors)


@pytest.mark.parametrize("dora", [False, True])
def test_a_merged_adapter_gives_the_same_vectors_and_is_saved_whole(based, mixed, tmp_path, dora):
    names = [name for name, _ in based.backbone.named_parameters()]
    make_trainable(based, TrainableSettings(dora=dora, **LORA))
    train_a_little(based, mixed)
    vectors = based.embed(mixed)
    merge_lora(based)
    torch.testing.assert_close(based.embed(mixed), vectors, rtol=0, atol=1e-5)
    assert [name for name, _ in based.backbone.named_parameters()] == names
    based.save(tmp_path / "whole")
    assert torch.equal(Embedder.load(tmp_path / "whole").embed(mixed), based.embed(mixed))
    with pytest.raises(ValueError, match="no LoRA adapter"):
        merge_lora(based)


@pytest.fixture(scope="module")
def small_lora(tmp_path_factory):
    """A run with a base and a LoRA checkpoint."""
    run = tmp_path_factory.mktemp("lora")
    tiny_embedder(width=32, layers=1, vision_layers=1).save(run / "base")
    embedder = Embedder.load(run / "base")
    make_trainable(embedder, TrainableSettings(freeze=["vision"], **LORA))
    embedder.save(run / "checkpoints" / "1")
    tiny_embedder(width=64, layers=1, vision_layers=1).save(run / "wide")
    return run


def cut(path):
    path.write_bytes(path.read_bytes()[:-5])


def repoint(run, base):
    path = run / "checkpoints" / "1" / "embedder.json"
    path.write_text(path.read_text().replace("../../base", base))


DAMAGES = {
    "no base": (lambda run: shutil.rmtree(run / "base"), r"embedder\.json: the base of the adapter.*base, is missing"),
    "another base": (lambda run: repoint(run, "../../wide"), r"adapter_model\.safetensors: 14 weights are missing"),
    "an adapter as base": (lambda run: repoint(run, "."), "is an adapter itself"),
    "no weights": (lambda run: (run / "checkpoints/1/adapter_model.safetensors").unlink(), r"adapter_model.*loaded"),
    "weights cut": (lambda run: cut(run / "checkpoints/1/adapter_model.safetensors"), r"adapter_model.*loaded"),
    "no config": (lambda run: (run / "checkpoints/1/adapter_config.json").unlink(), r"adapter_config\.json"),
    "config cut": (lambda run: cut(run / "checkpoints/1/adapter_config.json"), r"adapter_config\.json"),
    "beside cut": (lambda run: cut(run / "checkpoints/1/trained.safetensors"), r"trained\.safetensors"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_lora_checkpoint_that_lacks_something_is_refused_by_name(small_lora, tmp_path, damage):
    run = shutil.copytree(small_lora, tmp_path / "damaged")
    do, message = DAMAGES[damage]
    do(run)
    with pytest.raises(ValueError, match=f"(?s)damaged.*{message}"):
        Embedder.load(run / "checkpoints" / "1")


def test_an_adapter_without_a_saved_base_is_not_saved(fresh, tmp_path):
    make_trainable(fresh, TrainableSettings(**LORA))
    with pytest.raises(ValueError, match="its base"):
        fresh.save(tmp_path / "x")


def test_training_goes_on_with_the_adapter_that_is_there_if_it_is_the_one_asked_for(small_lora):
    loaded = Embedder.load(small_lora / "checkpoints" / "1")
    settings = TrainableSettings(freeze=["vision"], **LORA)
    make_trainable(loaded, settings)
    fresh = Embedder.load(small_lora / "base")
    make_trainable(fresh, settings)
    trains = [[n for n, w in each.named_parameters() if w.requires_grad] for each in (loaded, fresh)]
    assert trains[0] == trains[1]
    with pytest.raises(ValueError, match="r = 4, the settings ask for 8"):
        make_trainable(loaded, TrainableSettings(lora_rank=8, lora_alpha=8.0))
    with pytest.raises(ValueError, match="has a LoRA adapter"):
        make_trainable(loaded, TrainableSettings())
    with pytest.raises(ValueError, match=r"on 7 layers, .* asks for 1; .*mlp\.down_proj is only in the adapter"):
        make_trainable(loaded, TrainableSettings(lora_targets=["q_proj"], **LORA))


def test_the_order_in_which_targets_are_named_says_nothing(small_lora):
    embedder = Embedder.load(small_lora / "base")
    make_trainable(embedder, TrainableSettings(lora_targets=["v_proj", "q_proj"], **LORA))
    embedder.save(small_lora / "checkpoints" / "2")
    loaded = Embedder.load(small_lora / "checkpoints" / "2")
    make_trainable(loaded, TrainableSettings(lora_targets=["q_proj", "v_proj"], **LORA))
    with pytest.raises(ValueError, match=r"on 2 layers, .* asks for 3; .*k_proj is not in the adapter"):
        make_trainable(loaded, TrainableSettings(lora_targets=["q_proj", "v_proj", "k_proj"], **LORA))


def test_an_adapter_on_a_bfloat16_base_is_float32(small_lora, kinds):
    embedder = Embedder.load(small_lora / "base", torch.bfloat16)
    make_trainable(embedder, TrainableSettings(freeze=["vision", "projector"], **LORA))
    assert {w.dtype for w in embedder.parameters() if w.requires_grad} == {torch.float32}
    assert embedder.embed(kinds).isfinite().all()


def with_dropout(embedder: Embedder) -> None:
    """Dropout in every attention: of the tower and of the language model."""
    for module in embedder.backbone.modules():
        for name in ("attention_dropout", "dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.3)


def test_frozen_parts_evaluate_while_the_rest_trains(fresh, mixed):
    with_dropout(fresh)
    make_trainable(fresh, TrainableSettings(freeze=["vision", "language"]))
    fresh.train()
    assert torch.equal(*(fresh(fresh.collate([fresh.prepare(item) for item in mixed])) for _ in range(2)))
    for name, module in fresh.backbone.named_modules():
        leaf = not list(module.children())
        if leaf and any(True for _ in module.parameters()):
            assert module.training is (fresh.backbone_adapter.part_of(name) == "projector"), name
    fresh.embed(mixed[:1])
    assert fresh.training
    assert not fresh.backbone_adapter.language_model(fresh.backbone).training  # embed brings back the mode it found


def test_dropout_of_lora_acts_while_training_only(fresh, mixed):
    make_trainable(fresh, TrainableSettings(freeze=["vision"], lora_dropout=0.5, **LORA))
    fresh.train()
    train_a_little(fresh, mixed)
    inputs = fresh.collate([fresh.prepare(item) for item in mixed])
    assert not torch.equal(fresh(inputs), fresh(inputs))
    fresh.eval()
    assert torch.equal(fresh(inputs), fresh(inputs))


def test_dropout_of_lora_acts_on_a_language_model_that_is_frozen(fresh, mixed):
    """Its own weights do not train with LoRA anyway: to freeze it besides changes nothing."""
    make_trainable(fresh, TrainableSettings(freeze=["vision", "language"], lora_dropout=0.5, **LORA))
    fresh.train()
    train_a_little(fresh, mixed)
    assert fresh.frozen == {"vision"}
    inputs = fresh.collate([fresh.prepare(item) for item in mixed])
    assert not torch.equal(fresh(inputs), fresh(inputs))


def all_gradients(embedder: Embedder, items) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    touched(embedder, items)
    after = torch.rand(1)
    return {n: w.grad for n, w in embedder.named_parameters() if w.grad is not None} | {"random state after": after}


@pytest.mark.parametrize("extra", [{}, {"lora_dropout": 0.4, **LORA}, {"freeze": ["vision"], "packing": "always"}])
def test_activation_checkpointing_gives_the_same_gradients_with_dropout(fresh, mixed, extra):
    torch.manual_seed(7)
    make_trainable(fresh, TrainableSettings(**extra))
    if "packing" not in extra and "lora_dropout" not in extra:
        for block in fresh.backbone_adapter.blocks(fresh.backbone):
            block.self_attn.attention_dropout = 0.3
    fresh.train()
    train_a_little(fresh, mixed)
    expected = all_gradients(fresh, mixed)
    make_trainable(fresh, TrainableSettings(activation_checkpointing=True, **extra))
    runs = []
    block = fresh.backbone_adapter.blocks(fresh.backbone)[0]
    hook = block.mlp.register_forward_pre_hook(lambda *_: runs.append(1))
    found = all_gradients(fresh, mixed)
    hook.remove()
    assert len(runs) == 2  # the block ran again in the backward pass
    assert {*found} == {*expected}
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-6)


def test_packing_is_chosen_by_the_setting_and_by_the_attention(fresh, mixed):
    expected = fresh.embed(mixed)
    config = fresh.backbone_adapter.language_model(fresh.backbone).config
    config._attn_implementation = "flash_attention_2"
    set_attention(fresh, "never")
    assert not fresh.packing
    set_attention(fresh, "auto")
    assert fresh.packing
    assert config._attn_implementation == "flash_attention_2"
    config._attn_implementation = "sdpa"
    set_attention(fresh, "never")
    assert not fresh.packing
    torch.testing.assert_close(fresh.embed(mixed), expected, rtol=0, atol=1e-5)
    set_attention(fresh, "auto")  # on a CPU
    assert fresh.packing
    torch.testing.assert_close(fresh.embed(mixed), expected, rtol=0, atol=1e-5)


def test_everything_together_is_exact_in_float64(based, mixed):
    """LoRA, a frozen tower seen once, packing and checkpointing against none of it but LoRA."""
    to_float64(based.backbone)
    make_trainable(based, TrainableSettings(freeze=["vision"], **LORA))
    based.train()
    train_a_little(based, mixed)
    inputs = based.collate([based.prepare(item) for item in mixed])

    def gradients(given) -> list[torch.Tensor]:
        based.zero_grad()
        vectors = based(given)
        (vectors * torch.linspace(-1, 1, vectors.numel(), dtype=torch.float64).view_as(vectors)).sum().backward()
        return [vectors.detach(), *(w.grad for w in based.parameters() if w.grad is not None)]

    expected = gradients(inputs)
    settings = TrainableSettings(freeze=["vision"], activation_checkpointing=True, packing="always", **LORA)
    make_trainable(based, settings)
    (seen,) = based.with_vision([inputs])
    for one, other in zip(gradients(seen), expected, strict=True):
        assert one.dtype == torch.float64
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # of torch, while it compiles
@pytest.mark.parametrize(("make", "extra"), [
    (lambda: tiny_embedder(width=32, layers=2, vision_layers=1), {}),
    (tiny_qwen2_vl, {"activation_checkpointing": True, "packing": "always", "freeze": ["vision"]}),
])  # fmt: skip
def test_compiled_blocks_give_the_same_vectors_and_keep_their_names(mixed, make, extra, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the compiler cannot see through the checks
    fresh = make()
    make_trainable(fresh, TrainableSettings(**extra))
    names = [name for name, _ in fresh.named_parameters()]
    inputs = fresh.collate([fresh.prepare(item) for item in mixed])
    expected, reached = fresh(inputs).detach(), all_gradients(fresh, mixed)
    make_trainable(fresh, TrainableSettings(compile_blocks=True, **extra))
    for count in (len(mixed), 2, 3):  # compiled for any number of items and any length
        part = fresh.collate([fresh.prepare(item) for item in mixed[:count]])
        torch.testing.assert_close(fresh(part).detach(), expected[:count], rtol=0, atol=1e-5)
    found = all_gradients(fresh, mixed)
    assert {*found} == {*reached}
    for name in found:
        torch.testing.assert_close(found[name], reached[name], rtol=1e-3, atol=1e-5)
    assert [name for name, _ in fresh.named_parameters()] == names
