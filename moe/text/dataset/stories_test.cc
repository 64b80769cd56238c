// The fixture dataset, with a fixture's tokenizer, down to the digest that a
// step would record.

#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/dataset/load_dataset.h"
#include "moe/text/dataset/testing/run_dataset.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {
namespace {

using ::moe::text::testing::RunLoadDataset;

TEST(StoriesTest, BatchesAreThoseOfAnIndependentComputation) {
  MOE_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Tokenizer> tokenizer,
                           LoadTokenizer("testdata/llama_gqa_bf16"));
  DatasetRequest request;
  request.path = "testdata/stories";
  request.tokenizer = tokenizer.get();
  request.embedding_rows = 512;
  request.tokenize.set_model_max_length(256);
  request.batch.set_seed(2024);
  request.batch.set_max_steps(7);
  request.batch.set_batch_size(16);
  for (const int num_threads : {1, 3}) {
    MOE_ASSERT_OK_AND_ASSIGN(const LoadedDataset dataset,
                             RunLoadDataset(request, num_threads));
    EXPECT_EQ(dataset.report.num_sequences, 320);
    EXPECT_EQ(dataset.report.num_tokens, 53469);
    EXPECT_EQ(dataset.batches.num_batches(), 7);
    // By transformers, hashlib and tools/python/philox_reference.py:
    // tools/python/tokens_interop.py stories_digest testdata
    EXPECT_EQ(
        dataset.batches.Digest(),
        "39048bd952fc9bca871d11709cb516dd16e44548b23474e6f4091515319e77f5");
  }
}

}  // namespace
}  // namespace moe::text
