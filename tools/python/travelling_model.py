"""Loads a converted checkpoint with the model code that travels with it."""

import pathlib
import shutil
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
        copy = pathlib.Path(temp) / "checkpoint"
        copy.mkdir()
        for path in sorted(pathlib.Path(directory).iterdir()):
            if path.is_file():
                shutil.copyfile(path, copy / path.name)
        tiny_moe.copy_code(copy)
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            str(copy), trust_remote_code=True, dtype=dtype, output_loading_info=True
        )
    problems = {name: found for name, found in report.items() if found}
    if problems:
        raise ValueError(f"{directory}: tensors do not fit the model: {problems}")
    return model.eval()
