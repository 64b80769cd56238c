// Measures how fast tokenizers encode: megabytes of text a second, on one
// thread.
//
//   text_benchmark [--benchmark_filter=...]
//
// It measures the tokenizers in testdata, and that of the checkpoint directory
// that MOE_TOKENIZER_DIR names. The text is the file that MOE_TEXT names; by
// default it is generated and English-like. tools/text/compare_speed.py
// compares with the Hugging Face tokenizers package.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "benchmarks/benchmark_main.h"
#include "benchmarks/measure.h"
#include "moe/base/random_access_file.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::benchmarks {
namespace {

constexpr size_t kTextBytes = 2 << 20;

// Sentences of words from a made-up lexicon, by Zipf's distribution.
std::string GeneratedText() {
  constexpr const char* kSyllables[] = {"the", "re", "in",  "on", "ta", "lo",
                                        "mi",  "s",  "ent", "er", "al", "is"};
  std::mt19937 random(1);
  std::vector<std::string> lexicon(20000);
  for (std::string& word : lexicon) {
    for (size_t i = 1 + random() % 4; i > 0; --i)
      word += kSyllables[random() % 12];
  }
  std::string text;
  while (text.size() < kTextBytes) {
    // Draws rank r with a probability of about 1 / r.
    size_t rank = lexicon.size();
    while (rank > 0 && random() % 4 != 0) rank /= 2;
    rank += random() % (rank + 1) / 2;
    absl::StrAppend(&text, lexicon[rank % lexicon.size()]);
    text += random() % 12 == 0 ? ".\n" : " ";
  }
  return text;
}

const std::string& Text() {
  static const auto* const kText = [] {
    const char* const path = std::getenv("MOE_TEXT");
    if (path == nullptr) return new std::string(GeneratedText());
    absl::StatusOr<std::string> text = base::ReadFile(path, uint64_t{1} << 30);
    if (!text.ok()) {
      std::fprintf(stderr, "%s\n", text.status().ToString().c_str());
      std::exit(1);
    }
    return new std::string(*std::move(text));
  }();
  return *kText;
}

struct Named {
  std::string name;
  std::unique_ptr<text::Tokenizer> tokenizer;
};

std::vector<Named> LoadAll() {
  std::vector<Named> all;
  std::vector<std::string> directories;
  for (const char* const name :
       {"gpt2_style", "llama3_style", "smollm2_style"}) {
    directories.push_back(absl::StrCat("testdata/tokenizers/", name));
  }
  const char* const directory = std::getenv("MOE_TOKENIZER_DIR");
  if (directory != nullptr) directories.emplace_back(directory);
  for (const std::string& path : directories) {
    absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer =
        text::LoadTokenizer(path);
    if (!tokenizer.ok()) {
      std::fprintf(stderr, "%s\n", tokenizer.status().ToString().c_str());
      std::exit(1);
    }
    all.push_back({path, *std::move(tokenizer)});
  }
  return all;
}

// The comparison for encoding: looks each word up in a hash table.
size_t CountWords(absl::string_view text) {
  absl::flat_hash_map<absl::string_view, size_t> counts;
  for (const absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \n"))) {
    ++counts[word];
  }
  return counts.size();
}

// The arguments are the tokenizer's index, and the bytes of a call; 0 bytes
// stand for the whole text.
void BM_Encode(benchmark::State& state) {
  static const auto* const kAll = new std::vector<Named>(LoadAll());
  const auto index = static_cast<size_t>(state.range(0));
  if (index >= kAll->size()) {
    state.SkipWithError("MOE_TOKENIZER_DIR is not set");
    return;
  }
  const text::Tokenizer& tokenizer = *(*kAll)[index].tokenizer;
  const absl::string_view text = Text();
  const size_t piece_bytes =
      state.range(1) > 0 ? static_cast<size_t>(state.range(1)) : text.size();
  size_t num_tokens = 0;
  std::vector<double> seconds;
  std::vector<double> word_count_seconds;
  for (auto _ : state) {
    word_count_seconds.push_back(
        SecondsOf([&] { benchmark::DoNotOptimize(CountWords(text)); }));
    num_tokens = 0;
    seconds.push_back(SecondsOf([&] {
      for (size_t i = 0; i < text.size(); i += piece_bytes) {
        num_tokens +=
            tokenizer.Encode(text.substr(i, piece_bytes), false).value().size();
      }
    }));
  }
  const auto bytes = static_cast<double>(text.size());
  state.counters["mb_per_sec"] = bytes / 1e6 / Median(seconds);
  state.counters["over_word_count"] = MedianRatio(seconds, word_count_seconds);
  state.counters["bytes_per_token"] = bytes / static_cast<double>(num_tokens);
  state.SetLabel((*kAll)[index].name);
}
BENCHMARK(BM_Encode)
    ->ArgNames({"tokenizer", "piece_bytes"})
    ->ArgsProduct({{0, 1, 2, 3}, {2000, 0}})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moe::benchmarks

int main(int argc, char** argv) {
  return moe::benchmarks::RunBenchmarks(argc, argv);
}
