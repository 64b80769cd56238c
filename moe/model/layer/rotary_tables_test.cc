#include "moe/model/layer/rotary_tables.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/math/float_math.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

checkpoint::LlamaConfig Config(checkpoint::RopeType type, double theta,
                               int64_t head_dim) {
  checkpoint::LlamaConfig config;
  config.head_dim = head_dim;
  config.max_position_embeddings = 64;
  config.rope.type = type;
  config.rope.theta = theta;
  return config;
}

// Two roundings more or less, and a pow that may be off by a unit.
void ExpectFrequencies(const checkpoint::LlamaConfig& config, int64_t length,
                       absl::Span<const double> want) {
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<float> got,
                           ScaledRopeFrequencies(config, length));
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], 3e-7 * want[i]) << i;
  }
}

// The wanted numbers are those of transformers 5.23 (ROPE_INIT_FUNCTIONS).
TEST(ScaledRopeFrequenciesTest, Default) {
  ExpectFrequencies(Config(checkpoint::RopeType::kDefault, 500000.0, 8), 10,
                    {1.0, 0.0376060307, 0.00141421345, 5.31829573e-05});
}

TEST(ScaledRopeFrequenciesTest, Linear) {
  checkpoint::LlamaConfig config =
      Config(checkpoint::RopeType::kLinear, 10000.0, 8);
  config.rope.factor = 3.0;
  ExpectFrequencies(config, 10,
                    {0.333333343, 0.0333333351, 0.00333333318, 0.000333333359});
}

TEST(ScaledRopeFrequenciesTest, DynamicChangesBeyondTheTrainedLength) {
  checkpoint::LlamaConfig config =
      Config(checkpoint::RopeType::kDynamic, 10000.0, 8);
  config.rope.factor = 2.5;
  const std::vector<double> trained = {1.0, 0.100000001, 0.00999999978,
                                       0.00100000005};
  ExpectFrequencies(config, 1, trained);
  ExpectFrequencies(config, 64, trained);
  ExpectFrequencies(config, 100,
                    {1.0, 0.074625358, 0.00556894392, 0.000415584422});
}

TEST(ScaledRopeFrequenciesTest, Llama3) {
  checkpoint::LlamaConfig config =
      Config(checkpoint::RopeType::kLlama3, 10000.0, 16);
  config.rope.factor = 8.0;
  config.rope.low_freq_factor = 1.0;
  config.rope.high_freq_factor = 4.0;
  config.rope.original_max_position_embeddings = 32;
  // The first is shorter than 8 positions, the second between, the others
  // longer than 32.
  ExpectFrequencies(
      config, 10,
      {1.0, 0.0958399773, 0.0125000002, 0.00395284733, 0.00124999997,
       0.000395284733, 0.000125000006, 3.95284733e-05});
}

TEST(ScaledRopeFrequenciesTest, RefusesWhatHasNoFrequencies) {
  EXPECT_THAT(
      ScaledRopeFrequencies(Config(checkpoint::RopeType::kDynamic, 1e4, 2),
                            100),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("head_dim 2")));
  EXPECT_THAT(ScaledRopeFrequencies(
                  Config(checkpoint::RopeType::kDefault, 1e300, 8), 100),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("range of float, found 1e+300")));
  checkpoint::LlamaConfig config =
      Config(checkpoint::RopeType::kLinear, 1e4, 8);
  config.rope.factor = 1e50;
  EXPECT_THAT(
      ScaledRopeFrequencies(config, 100),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("frequency 0")));
}

TEST(RotaryTablesTest, OneTableServesAllLengths) {
  base::ThreadPool pool(2);
  MOE_ASSERT_OK_AND_ASSIGN(
      const RotaryTables tables,
      RotaryTables::Create(Config(checkpoint::RopeType::kDefault, 1e4, 8),
                           {3, 200, 7}, pool));
  EXPECT_EQ(&tables.ForLength(3), &tables.ForLength(200));
  EXPECT_EQ(tables.ForLength(1).num_positions(), 200);
  EXPECT_EQ(tables.ForLength(1).head_dim(), 8);
  // Angle 199 * 0.1 in float.
  EXPECT_EQ(tables.ForLength(7).Cos(199)[1], kernels::Cos(199.0f * 0.1f));
}

TEST(RotaryTablesTest, DynamicHasATableForEachLongSequence) {
  base::ThreadPool pool(2);
  checkpoint::LlamaConfig config =
      Config(checkpoint::RopeType::kDynamic, 10000.0, 8);
  config.rope.factor = 2.5;
  MOE_ASSERT_OK_AND_ASSIGN(
      const RotaryTables tables,
      RotaryTables::Create(config, {64, 100, 10, 80, 100}, pool));
  EXPECT_EQ(&tables.ForLength(10), &tables.ForLength(64));
  EXPECT_NE(&tables.ForLength(80), &tables.ForLength(100));
  EXPECT_EQ(tables.ForLength(100).num_positions(), 100);
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<float> frequencies,
                           ScaledRopeFrequencies(config, 100));
  EXPECT_EQ(tables.ForLength(100).Sin(99)[3],
            kernels::Sin(99.0f * frequencies[3]));
}

TEST(RotaryTablesTest, RefusesWhatIsOutOfReach) {
  base::ThreadPool pool(1);
  const checkpoint::LlamaConfig config =
      Config(checkpoint::RopeType::kDefault, 1e4, 2);
  // The angle of position 2^20 is kMaxAngle.
  EXPECT_THAT(RotaryTables::Create(config, {(1 << 20) + 1}, pool),
              base::testing::IsOk());
  EXPECT_THAT(RotaryTables::Create(config, {5, (1 << 20) + 2}, pool),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("found 1048578"),
                             HasSubstr("at most 1048577 tokens"))));
}

}  // namespace
}  // namespace moe::model
