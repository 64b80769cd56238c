"""The Python side of //moe/checkpoint/artifact:pt_interop_test.

  pt_roundtrip.py check DIR          opens the example artifacts that
                                     pt_interop_main wrote, with torch.load and its
                                     defaults and with safetensors, and compares
                                     structure, types and values
  pt_roundtrip.py write DIR          writes the same artifacts as Python programs do
  pt_roundtrip.py write_refused DIR  writes files that must be refused

The values are those of moe/checkpoint/artifact/example_artifacts.cc, written down
here a second time.
"""

import collections
import os
import sys
import zipfile

import torch

try:
    import safetensors.torch
except ImportError:
    safetensors = None
    print("SKIPPED: the safetensors half; the package is not installed")


def gate_weights():
    return {
        0: torch.tensor([[0.0, 0.25, 0.5], [1.0, 1.25, 1.5]]),
        1: torch.tensor([[10.0, 10.25, 10.5], [11.0, 11.25, -0.0]]),
    }


def importance_scores():
    return {
        i: {c: torch.arange(4) / 8 + (i + c) for c in range(2)} for i in range(2)
    }


def neuron_indices_vanilla():
    return {0: [[5, 0], [4, 1]], 1: [[0, 1], [2, 3]]}


def neuron_indices_residual():
    return {
        0: {"residual": [2, 3], 0: [5, 0], 1: [4, 1]},
        1: {"residual": [5, 4], 0: [0, 1], 1: [2, 3]},
    }


def moments(number, mean, variance):
    return {
        "number": torch.tensor(number),
        "mean": torch.tensor(mean, dtype=torch.float32),
        "variance": torch.tensor(variance, dtype=torch.float32),
    }


def distribution():
    attn = moments(1 << 40, [1.0 + 2.0**-20, -2.0, 0.0], [0.5, 0.0, 4.0])
    mlp = moments(7, [1.0, 2.0, 3.0], [0.25, 0.5, 0.75])
    return {0: {"attn": attn, "mlp": mlp}, 1: {"mlp": mlp}}


def scale_factors():
    def factor(magnitude, bias):
        return {
            "scale_magnitude": torch.tensor(magnitude),
            "scale_bias": torch.tensor(bias),
        }

    return {
        1: {
            "attn": factor([0.5, 2.0], [0.0, -1.0]),
            "mlp": factor([1.5, 1.0], [3.0, -0.0]),
        }
    }


ARTIFACTS = {
    "gate_weights": gate_weights,
    "importance_scores": importance_scores,
    "neuron_indices": neuron_indices_residual,
    "vanilla/neuron_indices": neuron_indices_vanilla,
    "distribution": distribution,
    "scale_factors": scale_factors,
}


def compare(got, want, where):
    """Same types exactly, same values to the bit."""
    if type(got) is not type(want):
        sys.exit(f"{where}: expected {type(want)}, found {type(got)}")
    if isinstance(want, dict):
        if set(got) != set(want):
            sys.exit(f"{where}: expected keys {list(want)}, found {list(got)}")
        for key, value in want.items():
            compare(got[key], value, f"{where}[{key!r}]")
    elif isinstance(want, list):
        if len(got) != len(want):
            sys.exit(f"{where}: expected {len(want)} items, found {len(got)}")
        for i, value in enumerate(want):
            compare(got[i], value, f"{where}[{i}]")
    elif isinstance(want, torch.Tensor):
        same = (
            got.dtype == want.dtype
            and got.shape == want.shape
            and torch.equal(got, want)
            and torch.equal(got.signbit(), want.signbit())
        )
        if not same:
            sys.exit(f"{where}: expected {want}, found {got}")
    elif got != want:
        sys.exit(f"{where}: expected {want}, found {got}")


def tensors_of(name):
    """The artifact as methods name its safetensors."""
    value = ARTIFACTS[name]()
    tensors = {}
    for i, layer in value.items():
        prefix = f"layers.{i}"
        if name == "gate_weights":
            tensors[prefix] = layer
        elif name == "importance_scores":
            tensors[prefix] = torch.stack([layer[c] for c in sorted(layer)])
            tensors[f"{prefix}.token_count"] = torch.tensor([5, 6])
        elif name == "vanilla/neuron_indices":
            tensors[f"{prefix}.experts"] = torch.tensor(layer)
        elif name == "neuron_indices":
            tensors[f"{prefix}.experts"] = torch.tensor([layer[0], layer[1]])
            tensors[f"{prefix}.residual"] = torch.tensor(layer["residual"])
        else:
            for part, fields in layer.items():
                for field, tensor in fields.items():
                    # A copy: safetensors refuses tensors that share memory.
                    copy = tensor.clone()
                    if name == "distribution" and copy.is_floating_point():
                        copy = copy.double()  # F32 in .pt files alone.
                    tensors[f"{prefix}.{part}.{field}"] = copy
    return tensors


def check(directory):
    for name, make in ARTIFACTS.items():
        path = os.path.join(directory, name)
        compare(torch.load(path + ".pt"), make(), name + ".pt")
        if safetensors is None:
            continue
        file = path + ".safetensors"
        compare(safetensors.torch.load_file(file), tensors_of(name), file)
        with safetensors.safe_open(file, "pt") as opened:
            compare(
                opened.metadata(),
                {
                    "artifact": os.path.basename(name),
                    "tool_version": "test",
                    "step": "interop",
                    "spec_digest": "",
                    "seed": "7",
                },
                file,
            )


def save_views(directory):
    """Tensors that are not contiguous, share a storage, or need a gradient."""
    both = torch.stack(list(gate_weights().values()))
    strided = torch.zeros(2, 3, 2, 4)
    strided[1, :, :, 2] = both.transpose(1, 2)[1]
    torch.save({0: both[0], 1: both[1]}, f"{directory}/gate_weights_shared.pt")
    torch.save(
        {0: both[0].t().contiguous().t(), 1: strided[1, :, :, 2].t()},
        f"{directory}/gate_weights_strided.pt",
    )
    torch.save(
        collections.OrderedDict(
            (i, torch.nn.Parameter(w)) for i, w in gate_weights().items()
        ),
        f"{directory}/gate_weights_ordered.pt",
    )


def save_types(directory):
    for dtype in (torch.bfloat16, torch.float16):
        value = {i: w.to(dtype) for i, w in gate_weights().items()}
        torch.save(value, f"{directory}/gate_weights_{str(dtype)[6:]}.pt")
    value = distribution()
    for layer in value.values():
        # As the published scripts count: in floats; and as a person might: in ints.
        layer["mlp"]["number"] = torch.tensor([7.0])
        layer["mlp"]["mean"] = layer["mlp"]["mean"].float()
    value[0]["attn"]["number"] = 1 << 40
    torch.save(value, f"{directory}/distribution_float.pt")


def save_structures(directory):
    value = {i: tuple(map(tuple, e)) for i, e in neuron_indices_vanilla().items()}
    torch.save(value, f"{directory}/neuron_indices_vanilla_tuples.pt")
    value = {
        i: [torch.tensor(e) for e in layer]
        for i, layer in neuron_indices_vanilla().items()
    }
    torch.save(value, f"{directory}/neuron_indices_vanilla_tensors.pt")
    value = dict(reversed(list(neuron_indices_residual().items())))
    torch.save(value, f"{directory}/neuron_indices_reversed.pt")
    for protocol in (3, 4, 5):
        torch.save(
            scale_factors(),
            f"{directory}/scale_factors_{protocol}.pt",
            pickle_protocol=protocol,
        )


def save_from_accelerator(directory):
    """As saved on a machine with CUDA: the device is a string in the pickle."""
    path = f"{directory}/gate_weights_cuda.pt"
    torch.save(gate_weights(), path)
    with zipfile.ZipFile(path) as archive:
        records = [(name, archive.read(name)) for name in archive.namelist()]
    cpu, cuda = (b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in records:
            if name.endswith("data.pkl"):
                assert cpu in data
                data = data.replace(cpu, cuda)
            archive.writestr(name, data)


def write(directory):
    for name, make in ARTIFACTS.items():
        parts = name.split("/")
        stem = os.path.join(directory, "_".join(reversed(parts)))
        torch.save(make(), stem + ".pt")
        if safetensors is not None:
            safetensors.torch.save_file(tensors_of(name), stem + ".safetensors")
    save_views(directory)
    save_types(directory)
    save_structures(directory)
    save_from_accelerator(directory)


def write_refused(directory):
    value = gate_weights()
    torch.save(
        value,
        f"{directory}/gate_weights_legacy.pt",
        _use_new_zipfile_serialization=False,
    )
    torch.save(
        {i: w.double() for i, w in value.items()}, f"{directory}/gate_weights_f64.pt"
    )
    torch.save({0: value[0].to_sparse()}, f"{directory}/gate_weights_sparse.pt")
    torch.save({0: value[0].numpy()}, f"{directory}/gate_weights_numpy.pt")
    torch.save({0: torch.nn.Linear(2, 2)}, f"{directory}/gate_weights_module.pt")
    torch.save({1: value[1]}, f"{directory}/gate_weights_gap.pt")
    torch.save({0: None}, f"{directory}/gate_weights_none.pt")
    torch.jit.script(torch.nn.Linear(2, 2)).save(f"{directory}/gate_weights_script.pt")


if __name__ == "__main__":
    {"check": check, "write": write, "write_refused": write_refused}[sys.argv[1]](
        sys.argv[2]
    )
