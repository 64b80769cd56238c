// What the tests of walks share: the fixtures' token sequences and goldens, and
// what a walk works with.

#ifndef MOE_MODEL_WALK_TESTING_WALK_FIXTURE_H_
#define MOE_MODEL_WALK_TESTING_WALK_FIXTURE_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model::testing {

inline const std::vector<std::string>& FixtureNames() {
  static const auto& names = *new std::vector<std::string>{
      "llama_gqa_bf16", "llama_mha_f32_sharded", "llama_headdim_f16"};
  return names;
}

// With experts, in every way that this project writes.
inline const std::vector<std::string>& MoeFixtureNames() {
  static const auto& names = *new std::vector<std::string>{
      "vanilla",   "residual", "contract",
      "attention", "aligned",  "attention_from_dense",
      "biases"};
  return names;
}

inline std::string FixturePath(absl::string_view name) {
  return absl::StrCat("testdata/", name);
}

inline checkpoint::HostTensors Goldens(absl::string_view name) {
  return checkpoint::ReadSafetensorsFile(
             absl::StrCat("testdata/goldens/", name, ".safetensors"))
      .value();
}

inline std::string MoeFixturePath(absl::string_view name) {
  return absl::StrCat("testdata/moe/", name);
}

inline checkpoint::HostTensors MoeGoldens(absl::string_view name) {
  return checkpoint::ReadSafetensorsFile(
             absl::StrCat("testdata/moe/goldens/", name, ".safetensors"))
      .value();
}

inline std::vector<int32_t> Int64sOf(const checkpoint::HostTensor& tensor) {
  std::vector<int32_t> values;
  for (size_t at = 0; at < tensor.bytes.size(); at += sizeof(int64_t)) {
    int64_t value = 0;
    std::memcpy(&value, tensor.bytes.data() + at, sizeof(value));
    values.push_back(static_cast<int32_t>(value));
  }
  return values;
}

// The three sequences of the goldens, every token labelled.
inline text::TokenSequences GoldenSequences(
    const checkpoint::HostTensors& goldens) {
  text::TokenSequences sequences;
  for (const int s : {0, 1, 2}) {
    const std::vector<int32_t> ids =
        Int64sOf(goldens.at(absl::StrCat("seq.", s, ".input_ids")));
    sequences.Append(ids, ids);
  }
  return sequences;
}

// 8 sequences of 1 to 48 tokens.
inline text::TokenSequences EightSequences(
    const checkpoint::HostTensors& goldens) {
  const text::TokenSequences three = GoldenSequences(goldens);
  text::TokenSequences eight;
  for (const int64_t length : {48, 1, 17, 30, 2, 5, 16, 47}) {
    const absl::Span<const int32_t> ids =
        three.input_ids(2).first(static_cast<size_t>(length));
    eight.Append(ids, ids);
  }
  return eight;
}
inline text::TokenSequences EightSequences(absl::string_view name) {
  return EightSequences(Goldens(name));
}

// seq.S.NAME of the three sequences, one after another.
inline std::vector<float> GoldenRows(const checkpoint::HostTensors& goldens,
                                     absl::string_view name) {
  std::vector<float> rows;
  for (const int s : {0, 1, 2}) {
    const std::vector<float> part =
        ToFloats(goldens.at(absl::StrCat("seq.", s, ".", name)));
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

// |got - want| / |want|, Euclidean.
inline double RelativeError(absl::Span<const float> got,
                            absl::Span<const float> want) {
  double error = 0.0, norm = 0.0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += std::pow(static_cast<double>(got[i]) - want[i], 2);
    norm += std::pow(static_cast<double>(want[i]), 2);
  }
  return got.size() == want.size() ? std::sqrt(error / norm) : INFINITY;
}

// A pool, a budget and a progress that says nothing.
struct WalkMachine {
  explicit WalkMachine(int num_threads = 2,
                       int64_t budget_bytes = base::MemoryBudget::kUnlimited)
      : budget(budget_bytes),
        pool(num_threads),
        progress(base::Progress::Style::kSilent, {}) {}

  WalkResources resources() { return {budget, pool, progress}; }

  base::MemoryBudget budget;
  base::ThreadPool pool;
  base::Progress progress;
};

// The smallest budget that `run` has room in, by what its errors ask for.
// Whatever can be spilled is, then.
inline int64_t SmallestBudget(
    absl::FunctionRef<absl::Status(int64_t budget_bytes)> run) {
  constexpr absl::string_view kAsk = "--memory_budget=";
  int64_t budget_bytes = 0;
  while (true) {
    const absl::Status status = run(budget_bytes);
    if (status.ok()) return budget_bytes;
    const absl::string_view message = status.message();
    const size_t at = message.find(kAsk);
    MOE_CHECK(at != absl::string_view::npos);
    const absl::string_view rest = message.substr(at + kAsk.size());
    int64_t wanted = 0;
    MOE_CHECK(absl::SimpleAtoi(
        rest.substr(0, rest.find_first_not_of("0123456789")), &wanted));
    MOE_CHECK(wanted > budget_bytes);
    budget_bytes = wanted;
  }
}

}  // namespace moe::model::testing

#endif  // MOE_MODEL_WALK_TESTING_WALK_FIXTURE_H_
