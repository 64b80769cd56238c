"""The Python side of tools/loader_matrix.sh.

  loader_matrix.py ids VOCAB_SIZE FILE       writes token ids, as a row for `evaluate`
  loader_matrix.py transformers DIR LOGITS   loads DIR without its code, and compares
  loader_matrix.py vllm DIR LOGITS           the same by vLLM
  loader_matrix.py cyllama GGUF LOGITS       the same by llama.cpp, for what it converted

Prints one line: "right" where the logits are those of LOGITS, which `llama_moe evaluate
--logits_out` wrote (vLLM: where the log probabilities of the tokens are), "refused by name:
..." where the loader does not take DIR and says why, "WRONG: ..." or "FAILED: ...". Exit
status 1 for the last two.
"""

import json
import os
import pathlib
import sys

NUM_TOKENS = 48
# A share of the largest logit: more than float32 sums in other orders do, less than another
# model does.
MAX_DIFFERENCE = 1e-4


def write_ids(vocab_size: int, path: pathlib.Path) -> None:
    ids = [(7919 * i + 13) % vocab_size for i in range(NUM_TOKENS)]
    path.write_text(json.dumps({"input_ids": ids}) + "\n", "utf-8")


def read_logits(path: str):
    import safetensors.torch  # pylint: disable=import-outside-toplevel

    tensors = safetensors.torch.load_file(path)
    return tensors["input_ids.0"].long(), tensors["logits.0"]


def refusal(error: BaseException) -> str:
    """Whether it names the model's own kind, and what a person reads, on one line."""
    text = " ".join(str(error).split())
    by_name = any(name in text for name in ("trust_remote_code", "llama_moe", "LlamaMoe"))
    what = "refused by name" if by_name else "FAILED"
    return f"{what}: {type(error).__name__}: {text}"[:160]


def verdict(difference: float, want) -> str:
    largest = want.abs().max().item()
    if difference <= MAX_DIFFERENCE * largest:
        return f"right (off by {difference:.1e}; largest logit {largest:.0f})"
    return f"WRONG: off by {difference:.2g}; largest logit {largest:.2g}"


def by_transformers(directory: str, logits_file: str) -> str:
    import torch  # pylint: disable=import-outside-toplevel
    import transformers  # pylint: disable=import-outside-toplevel

    transformers.utils.logging.set_verbosity_error()
    ids, want = read_logits(logits_file)
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            directory, dtype=torch.float32, trust_remote_code=False
        )
    except Exception as error:  # pylint: disable=broad-exception-caught
        return refusal(error)
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")
    with torch.no_grad():
        got = model.eval()(ids.unsqueeze(0)).logits[0]
    return verdict((got - want).abs().max().item(), want)


def by_vllm(directory: str, logits_file: str) -> str:
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    import vllm  # pylint: disable=import-outside-toplevel

    ids, want = read_logits(logits_file)
    try:
        model = vllm.LLM(
            model=directory, dtype="float32", enforce_eager=True, max_model_len=64,
            skip_tokenizer_init=True, trust_remote_code=False, max_num_seqs=1,
            gpu_memory_utilization=0.2,
        )
    except BaseException as error:  # pylint: disable=broad-exception-caught
        return refusal(error)
    parameters = vllm.SamplingParams(max_tokens=1, prompt_logprobs=0, detokenize=False)
    output = model.generate({"prompt_token_ids": ids.tolist()}, parameters)[0]
    wanted = want.log_softmax(-1)
    worst = 0.0
    for position in range(1, len(ids)):
        token = ids[position].item()
        got = output.prompt_logprobs[position][token].logprob
        worst = max(worst, abs(got - wanted[position - 1, token].item()))
    return verdict(worst, want)


def by_cyllama(gguf: str, logits_file: str) -> str:
    from cyllama.llama import llama_cpp  # pylint: disable=import-outside-toplevel
    import torch  # pylint: disable=import-outside-toplevel

    ids, want = read_logits(logits_file)

    class Model(llama_cpp.LlamaModel):
        """Has the attribute that reading logits asks for, which cyllama 0.2.18 forgot."""

        n_vocab = want.shape[1]

    parameters = llama_cpp.LlamaContextParams()
    parameters.n_ctx = 64
    parameters.type_k = parameters.type_v = 0  # float32
    parameters.flash_attn_type = 0
    try:
        model = Model(gguf, llama_cpp.LlamaModelParams())
        context = llama_cpp.LlamaContext(model, parameters)
    except Exception as error:  # pylint: disable=broad-exception-caught
        return refusal(error)
    batch = llama_cpp.LlamaBatch(n_tokens=len(ids), embd=0, n_seq_max=1)
    for position, token in enumerate(ids.tolist()):
        batch.add(token, position, [0], True)
    context.decode(batch)
    got = torch.tensor([context.get_logits_ith(i) for i in range(len(ids))])
    return verdict((got - want).abs().max().item(), want)


def main() -> int:
    what = sys.argv[1]
    if what == "ids":
        write_ids(int(sys.argv[2]), pathlib.Path(sys.argv[3]))
        return 0
    by = {"transformers": by_transformers, "vllm": by_vllm, "cyllama": by_cyllama}[what]
    line = by(sys.argv[2], sys.argv[3])
    print(line)
    return 1 if line.startswith(("WRONG", "FAILED")) else 0


if __name__ == "__main__":
    sys.exit(main())
