#include "moe/model/aten/aten_pass.h"

#include <ATen/Parallel.h>
#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/ScalarType.h>
#include <c10/core/TensorOptions.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/ignored_label.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/aten/aten_decoder_layers.h"
#include "moe/model/aten/aten_device.h"
#include "moe/model/aten/aten_losses.h"
#include "moe/model/aten/aten_options.h"
#include "moe/model/aten/aten_status.h"
#include "moe/model/aten/aten_types.h"
#include "moe/model/aten/aten_weights.h"
#include "moe/model/layer/rotary_tables.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {
namespace {

// 128 MiB of float32.
constexpr int64_t kMaxLogits = int64_t{1} << 25;

// LibTorch checks an index only on a CPU.
absl::Status CheckInVocabulary(absl::string_view what,
                               absl::Span<const int32_t> ids, int64_t sequence,
                               int64_t vocab_size) {
  for (size_t t = 0; t < ids.size(); ++t) {
    if (ids[t] >= 0 && ids[t] < vocab_size) continue;
    if (what == "label" && ids[t] == base::kIgnoredLabel) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "sequence ", sequence, ", position ", t, ": expected a ", what,
        " from 0 to ", vocab_size - 1,
        what == "label" ? absl::StrCat(" or ", base::kIgnoredLabel) : "",
        ", found ", ids[t], "; use the tokenizer that belongs to the model"));
  }
  return absl::OkStatus();
}

absl::Status CheckSequences(const text::TokenSequences& sequences,
                            int64_t vocab_size) {
  if (sequences.num_sequences() == 0) {
    return absl::InvalidArgumentError(
        "the dataset: expected at least one sequence, found none; give a "
        "dataset with at least one token");
  }
  for (int64_t i = 0; i < sequences.num_sequences(); ++i) {
    MOE_RETURN_IF_ERROR(
        CheckInVocabulary("token id", sequences.input_ids(i), i, vocab_size));
    MOE_RETURN_IF_ERROR(
        CheckInVocabulary("label", sequences.labels(i), i, vocab_size));
  }
  return absl::OkStatus();
}

// The label that each token predicts; kIgnoredLabel if there is none.
std::vector<int64_t> Targets(const text::TokenSequences& sequences) {
  std::vector<int64_t> targets;
  targets.reserve(static_cast<size_t>(sequences.num_tokens()));
  for (int64_t i = 0; i < sequences.num_sequences(); ++i) {
    const absl::Span<const int32_t> labels = sequences.labels(i);
    targets.insert(targets.end(), labels.begin() + 1, labels.end());
    targets.push_back(base::kIgnoredLabel);
  }
  return targets;
}

std::vector<int64_t> Lengths(const text::TokenSequences& sequences) {
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < sequences.num_sequences(); ++i) {
    lengths.push_back(static_cast<int64_t>(sequences.input_ids(i).size()));
  }
  return lengths;
}

// The number of tokens whose logits are in memory at once.
int64_t LogitsRows(const checkpoint::LlamaConfig& config,
                   const AtenOptions& options) {
  return std::clamp<int64_t>(kMaxLogits / config.vocab_size, 1,
                             options.tokens_at_once);
}

// About the most bytes of host memory that a pass needs at once.
int64_t HostBytes(const checkpoint::LlamaConfig& config,
                  const text::TokenSequences& sequences,
                  const AtenOptions& options) {
  const int64_t hidden = config.hidden_size;
  const int64_t query = config.QuerySize(), key = config.KeyValueSize();
  const int64_t mlp = hidden * config.intermediate_size;
  const int64_t head = hidden * config.vocab_size;
  const int64_t largest = std::max(mlp, hidden * query);
  constexpr int64_t kFloat = sizeof(float);
  if (options.device == AtenDevice::kCuda) {
    return kFloat * std::max(head, largest);
  }
  int64_t rows = options.tokens_at_once;
  for (const int64_t length : Lengths(sequences)) rows = std::max(rows, length);
  rows = std::min(rows, sequences.num_tokens());
  // A weight may be in memory both as it is stored and as it is used. The
  // logits are in memory twice, too.
  const int64_t layer = 2 * hidden * (query + key) + 3 * mlp + largest +
                        AtenLayerActivations(config, rows);
  const int64_t logits =
      config.vocab_size *
      std::min(LogitsRows(config, options), sequences.num_tokens());
  return kFloat * (sequences.num_tokens() * hidden +
                   std::max(layer, 2 * (head + logits)));
}

class ForwardPass {
 public:
  ForwardPass(const AtenModel& model, const text::TokenSequences& sequences,
              const AtenOptions& options, const AtenLogitsTap& tap,
              base::Progress& progress)
      : model_(model),
        config_(model.config),
        sequences_(sequences),
        options_(options),
        tap_(tap),
        progress_(progress),
        device_(ToTorchDevice(options.device)) {}

  absl::StatusOr<std::vector<float>> Run();

 private:
  absl::Status Embed();
  absl::Status RunLayers(const RotaryTables& rotary);
  absl::StatusOr<std::vector<float>> Losses();
  absl::Status TapLogits(const at::Tensor& logits, int64_t first_row);
  // Calls body(batch) for all sequences in order.
  template <typename Body>
  absl::Status ForEachBatch(const Body& body) const;

  const AtenModel& model_;
  const checkpoint::LlamaConfig& config_;
  const text::TokenSequences& sequences_;
  const AtenOptions& options_;
  const AtenLogitsTap& tap_;
  base::Progress& progress_;
  const c10::Device device_;
  at::Tensor hidden_;  // [num_tokens, H], float32, on the device.
};

template <typename Body>
absl::Status ForwardPass::ForEachBatch(const Body& body) const {
  const absl::Span<const int64_t> offsets = sequences_.offsets();
  AtenBatch batch = {offsets, 0, 0};
  while (batch.begin < sequences_.num_sequences()) {
    do {
      ++batch.end;
    } while (batch.end < sequences_.num_sequences() &&
             offsets[static_cast<size_t>(batch.end) + 1] - batch.FirstRow() <=
                 options_.tokens_at_once);
    MOE_RETURN_IF_ERROR(body(batch));
    batch.begin = batch.end;
  }
  return absl::OkStatus();
}

absl::Status ForwardPass::Embed() {
  MOE_ASSIGN_OR_RETURN(
      const at::Tensor embedding,
      ReadAtenWeight(model_, {checkpoint::TensorKind::kEmbedding}));
  hidden_ = at::empty({sequences_.num_tokens(), config_.hidden_size},
                      c10::TensorOptions(device_).dtype(c10::kFloat));
  return ForEachBatch([&](const AtenBatch& batch) {
    const int32_t* const ids = sequences_.input_ids().data() + batch.FirstRow();
    const at::Tensor rows =
        at::from_blob(const_cast<int32_t*>(ids), {batch.NumRows()}, c10::kInt);
    hidden_.narrow(0, batch.FirstRow(), batch.NumRows())
        .copy_(embedding.index_select(0, rows));
    return absl::OkStatus();
  });
}

absl::Status ForwardPass::RunLayers(const RotaryTables& rotary) {
  AtenDecoderLayers layers(model_, rotary, options_.device, options_.products);
  for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    MOE_RETURN_IF_ERROR(layers.Read(layer));
    MOE_RETURN_IF_ERROR(ForEachBatch([&](const AtenBatch& batch) {
      const absl::Status status = layers.Forward(batch, hidden_);
      progress_.Advance(batch.NumRows());
      return base::Annotate(status, absl::StrCat("layer ", layer));
    }));
  }
  return absl::OkStatus();
}

// Passes the logits of the first sequences to the tap, sequence by sequence.
absl::Status ForwardPass::TapLogits(const at::Tensor& logits,
                                    int64_t first_row) {
  const absl::Span<const int64_t> offsets = sequences_.offsets();
  const int64_t num_sequences =
      std::min(tap_.num_sequences, sequences_.num_sequences());
  const int64_t end_row = std::min(
      first_row + logits.size(0),
      offsets[static_cast<size_t>(std::max<int64_t>(num_sequences, 0))]);
  if (end_row <= first_row) return absl::OkStatus();
  const at::Tensor host =
      logits.narrow(0, 0, end_row - first_row).to(c10::kCPU).contiguous();
  const base::MatrixView<const float> rows(host.data_ptr<float>(), host.size(0),
                                           host.size(1));
  const auto after =
      std::upper_bound(offsets.begin(), offsets.end(), first_row);
  int64_t sequence = after - offsets.begin() - 1;
  for (int64_t row = first_row; row < end_row; ++sequence) {
    const auto i = static_cast<size_t>(sequence);
    const int64_t end = std::min(offsets[i + 1], end_row);
    MOE_RETURN_IF_ERROR(
        tap_.take({sequence, row - offsets[i],
                   rows.Rows(row - first_row, end - first_row)}));
    row = end;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> ForwardPass::Losses() {
  const c10::ScalarType type = ToScalarType(options_.products);
  MOE_ASSIGN_OR_RETURN(
      const at::Tensor stored_norm,
      ReadAtenWeight(model_, {checkpoint::TensorKind::kFinalNorm}));
  const at::Tensor norm = stored_norm.to(device_).to(c10::kFloat);
  MOE_ASSIGN_OR_RETURN(
      const at::Tensor stored_head,
      ReadAtenWeight(model_, {config_.tie_word_embeddings
                                  ? checkpoint::TensorKind::kEmbedding
                                  : checkpoint::TensorKind::kLmHead}));
  const at::Tensor head = stored_head.to(device_).to(type);
  std::vector<int64_t> targets = Targets(sequences_);
  std::vector<float> losses(targets.size());
  const int64_t num_tokens = sequences_.num_tokens();
  const int64_t chunk = LogitsRows(config_, options_);
  for (int64_t begin = 0; begin < num_tokens; begin += chunk) {
    const int64_t rows = std::min(chunk, num_tokens - begin);
    const at::Tensor states =
        AtenRmsNorm(hidden_.narrow(0, begin, rows), norm, config_.rms_norm_eps);
    const at::Tensor logits = at::linear(states.to(type), head).to(c10::kFloat);
    MOE_RETURN_IF_ERROR(
        CheckAtenFinite("logits", sequences_.offsets(), logits, begin));
    MOE_RETURN_IF_ERROR(TapLogits(logits, begin));
    const at::Tensor wanted =
        at::from_blob(targets.data() + begin, {rows}, c10::kLong).to(device_);
    at::from_blob(losses.data() + begin, {rows}, c10::kFloat)
        .copy_(AtenLosses(logits, wanted));
    progress_.Advance(rows);
  }
  return losses;
}

absl::StatusOr<std::vector<float>> ForwardPass::Run() {
  MOE_RETURN_IF_ERROR(CheckDevice(options_.device));
  MOE_RETURN_IF_ERROR(CheckSequences(sequences_, config_.vocab_size));
  base::MemoryBudget::Reservation memory;
  if (options_.memory_budget != nullptr) {
    MOE_ASSIGN_OR_RETURN(memory,
                         options_.memory_budget->Reserve(
                             HostBytes(config_, sequences_, options_),
                             "the forward pass of --numerics=aten, which keeps "
                             "everything in memory"));
  }
  base::ThreadPool pool(options_.num_threads);
  MOE_ASSIGN_OR_RETURN(
      const RotaryTables rotary,
      RotaryTables::Create(config_, Lengths(sequences_), pool));
  at::set_num_threads(options_.num_threads);
  // Each token passes through every layer and the head.
  progress_.Start("Forward",
                  sequences_.num_tokens() * (config_.num_hidden_layers + 1),
                  "token layers");
  MOE_RETURN_IF_ERROR(Embed());
  MOE_RETURN_IF_ERROR(RunLayers(rotary));
  MOE_ASSIGN_OR_RETURN(std::vector<float> losses, Losses());
  progress_.Finish();
  return losses;
}

}  // namespace

void llama_moe_torch_forward(const AtenModel& model,
                             const text::TokenSequences& sequences,
                             const AtenOptions& options,
                             const AtenLogitsTap& tap, base::Progress& progress,
                             absl::StatusOr<std::vector<float>>& losses) {
  MOE_CHECK(options.num_threads > 0 && options.tokens_at_once > 0);
  MOE_CHECK(tap.num_sequences <= 0 || tap.take);
  try {
    const c10::InferenceMode no_gradients;
    losses = ForwardPass(model, sequences, options, tap, progress).Run();
  } catch (...) {
    losses = AtenExceptionStatus();
  }
}

}  // namespace moe::model
