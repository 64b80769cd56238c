"""Loads a converted checkpoint with the model code that travels with it."""

import pathlib
import tempfile

import torch
import transformers

import tiny_moe


def load(
    directory: pathlib.Path | str, dtype: torch.dtype = torch.float32
) -> transformers.PreTrainedModel:
    """The model, with its weights in `dtype`, for evaluation.

    The code is that of this repository, whether the directory has a copy or not.
    """
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix="checkpoint_") as temp:
        # transformers makes a Python module of the directory's name.
        linked = pathlib.Path(temp) / "checkpoint"
        linked.mkdir()
        for path in pathlib.Path(directory).iterdir():
            if path.is_file() and path.name not in tiny_moe.CODE_FILES:
                (linked / path.name).symlink_to(path.resolve())
        tiny_moe.copy_code(linked)
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            str(linked), trust_remote_code=True, dtype=dtype, output_loading_info=True
        )
    problems = {name: found for name, found in report.items() if found}
    if problems:
        raise ValueError(f"{directory}: tensors do not fit the model: {problems}")
    return model.eval()
