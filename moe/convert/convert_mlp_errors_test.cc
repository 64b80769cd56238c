// What conversions of the MLPs refuse, and what they leave where they fail.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/matrix.h"
#include "moe/base/progress.h"
#include "moe/base/testing/fault_injecting_file_system.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/convert/testing/mlp_case.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::FaultInjectingFileSystem;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::Convert;
using ::moe::convert::testing::GivenArtifacts;
using ::moe::convert::testing::MlpCase;
using ::moe::convert::testing::OptionsOf;
using ::moe::convert::testing::RandomGates;
using ::moe::convert::testing::RandomIndices;
using ::moe::convert::testing::ReadTensors;
using ::moe::convert::testing::WriteTinyModel;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct BadCase {
  std::string message;
  std::function<void(MlpCase&, MlpConversionOptions&, GivenArtifacts&)> change;
};

// Each case by its message, and nothing is written.
void ExpectRefused(absl::Span<const BadCase> cases) {
  for (const BadCase& bad : cases) {
    const TempDirectory directory;
    MlpCase c;
    WriteTinyModel(c.model, directory.Path("dense"));
    MlpConversionOptions options = OptionsOf(c);
    GivenArtifacts given;
    bad.change(c, options, given);
    EXPECT_THAT(
        Convert({directory.Path("dense"), directory.Path("moe")}, options,
                given.Artifacts()),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)));
    EXPECT_THAT(directory.List(), ::testing::ElementsAre("dense"))
        << bad.message;
  }
}

TEST(ConvertMlpTest, RefusesOptionsThatDoNotFit) {
  using O = MlpConversionOptions;
  const BadCase cases[] = {
      {"top_k: expected 1 to 4 (num_experts), found 5",
       [](MlpCase&, O& o, GivenArtifacts&) { o.set_top_k(5); }},
      {"num_experts: expected a divisor of intermediate_size, 24, found 7",
       [](MlpCase&, O& o, GivenArtifacts&) { o.set_num_experts(7); }},
      {"num_moe_contract_layers: expected a number from 0 to 1",
       [](MlpCase&, O& o, GivenArtifacts&) {
         o.set_num_moe_contract_layers(2);
       }},
  };
  ExpectRefused(cases);
}

TEST(ConvertMlpTest, RefusesNeuronIndicesThatDoNotFit) {
  using O = MlpConversionOptions;
  const BadCase cases[] = {
      {"indices.file: layers.1.experts[2, 0]: expected a neuron from 0 to 23, "
       "found 24",
       [](MlpCase& c, O&, GivenArtifacts& g) {
         g.indices = RandomIndices(c);
         g.indices->layers[1].experts.Row(2)[0] = 24;
       }},
      {"which expert 2 has",
       [](MlpCase& c, O&, GivenArtifacts& g) {
         g.indices = RandomIndices(c);
         const auto row = g.indices->layers[1].experts.Row(2);
         row[1] = row[0];
       }},
      {"convert with share_neurons",
       [](MlpCase& c, O&, GivenArtifacts& g) {
         g.indices = RandomIndices(c);
         base::Matrix<int64_t>& experts = g.indices->layers[1].experts;
         experts.Row(2)[0] = experts.Row(0)[0];
       }},
      {"indices.file: layer 0: expected every neuron in an expert, found 4 of "
       "24 neurons in none",
       [](MlpCase& c, O&, GivenArtifacts& g) {
         g.indices = RandomIndices(c);
         for (checkpoint::LayerNeuronIndices& layer : g.indices->layers) {
           const base::Matrix<int64_t> whole = layer.experts;
           layer.experts =
               base::Matrix<int64_t>(whole.rows(), whole.cols() - 1);
           for (int64_t e = 0; e < whole.rows(); ++e) {
             const auto row = whole.Row(e).first(layer.experts.Row(e).size());
             std::copy(row.begin(), row.end(), layer.experts.Row(e).begin());
           }
         }
       }},
      {"indices.file: expected num_layers 3, found 2",
       [](MlpCase& c, O&, GivenArtifacts& g) {
         g.indices = RandomIndices(c);
         g.indices->layers.pop_back();
       }},
      {"expected num_experts 3, found 4",
       [](MlpCase& c, O& o, GivenArtifacts& g) {
         g.indices = RandomIndices(c);
         o.set_num_experts(3);
       }},
      {"split_gradient",
       [](MlpCase& c, O&, GivenArtifacts& g) {
         c.residual = true;
         g.indices = RandomIndices(c);
       }},
      {"expected neuron indices, found none",
       [](MlpCase& c, O& o, GivenArtifacts& g) {
         o.set_kind(O::RESIDUAL);
         g.gates = RandomGates(c, 4);
       }},
  };
  ExpectRefused(cases);
}

TEST(ConvertMlpTest, RefusesGateWeightsThatDoNotFit) {
  using O = MlpConversionOptions;
  const BadCase cases[] = {
      {"gates.file: layers.0: expected num_experts 4, found 5",
       [](MlpCase& c, O&, GivenArtifacts& g) { g.gates = RandomGates(c, 5); }},
      {"gates.file: layers.0: expected hidden_size 16, found 17",
       [](MlpCase& c, O&, GivenArtifacts& g) {
         c.model.hidden_size = 17;
         g.gates = RandomGates(c, 4);
       }},
      {"expected gate weights, found none",
       [](MlpCase& c, O& o, GivenArtifacts& g) {
         o.set_kind(O::RESIDUAL);
         c.residual = true;
         g.indices = RandomIndices(c);
       }},
      {"gates.file: layers.0: expected num_experts 4, found 3",
       [](MlpCase& c, O& o, GivenArtifacts& g) {
         o.set_kind(O::RESIDUAL);
         c.residual = true;
         g.indices = RandomIndices(c);
         g.gates = RandomGates(c, 3);
       }},
  };
  ExpectRefused(cases);
}

TEST(ConvertMlpTest, RefusesWhatIsConvertedAlready) {
  const TempDirectory directory;
  const MlpCase c;
  WriteTinyModel(c.model, directory.Path("dense"));
  MOE_ASSERT_OK(Convert({directory.Path("dense"), directory.Path("moe")},
                        OptionsOf(c), {})
                    .status());
  EXPECT_THAT(
      Convert({directory.Path("moe"), directory.Path("again")}, OptionsOf(c),
              {}),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          AllOf(
              HasSubstr("/moe: expected a dense checkpoint, found MLP experts"),
              HasSubstr("convert the dense checkpoint"))));
  EXPECT_THAT(Convert({directory.Path("dense"), directory.Path("moe")},
                      OptionsOf(c), {}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("moe")));
  EXPECT_THAT(directory.List(), ::testing::ElementsAre("dense", "moe"));
}

// Gate weights that BF16 holds and F16 does not.
TEST(ConvertMlpTest, RefusesRoutersThatTheTypeCannotHold) {
  const TempDirectory directory;
  MlpCase c;
  c.model.dtype = checkpoint::Dtype::kF16;
  WriteTinyModel(c.model, directory.Path("dense"));
  GivenArtifacts given;
  given.gates = RandomGates(c, c.num_experts);
  given.gates->layers[2].Row(1)[3] = 1e6f;
  EXPECT_THAT(Convert({directory.Path("dense"), directory.Path("moe")},
                      OptionsOf(c), given.Artifacts()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("gates.file: layers.2[1, 3]: expected"),
                             HasSubstr("found 1e+06"))));
  // A contract layer has no router.
  given.gates->layers[2].Row(1)[3] = 1.0f;
  given.gates->layers[0].Row(1)[3] = 1e6f;
  c.num_contract = 1;
  MOE_EXPECT_OK(Convert({directory.Path("dense"), directory.Path("moe")},
                        OptionsOf(c), given.Artifacts())
                    .status());
}

// In what is copied, cut by rows and by columns, and divided. Another number in
// its place is no error.
TEST(ConvertMlpTest, RefusesWeightsThatAreNoNumbersAndLeavesNothing) {
  MlpCase c;
  c.model.mlp_bias = true;
  for (const std::string name :
       {"lm_head.weight", "model.layers.1.mlp.up_proj.weight",
        "model.layers.1.mlp.gate_proj.bias",
        "model.layers.1.mlp.down_proj.weight",
        "model.layers.1.mlp.down_proj.bias"}) {
    for (const std::string bits : {"\xc0\x7f", "\x80\xff", "\x7f\x7f"}) {
      const TempDirectory directory;
      WriteTinyModel(c.model, directory.Path("dense"));
      checkpoint::HostTensors tensors = ReadTensors(directory.Path("dense"));
      tensors[name].bytes.replace(10, 2, bits);
      MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
          directory.Path("dense/model.safetensors"), tensors, {},
          /*overwrite=*/true));
      const absl::Status status =
          Convert({directory.Path("dense"), directory.Path("moe")},
                  OptionsOf(c), {})
              .status();
      if (bits == "\x7f\x7f") {
        MOE_EXPECT_OK(status);
        continue;
      }
      EXPECT_THAT(
          status,
          StatusIs(absl::StatusCode::kInvalidArgument,
                   AllOf(HasSubstr(absl::StrCat("model.safetensors: tensor \"",
                                                name, "\" [")),
                         HasSubstr("has a NaN or infinity at element 5;"))));
      EXPECT_THAT(directory.List(), ::testing::ElementsAre("dense"));
    }
  }
}

TEST(ConvertMlpTest, RefusesAnOutputBiasThatExpertsCannotShareExactly) {
  const TempDirectory directory;
  MlpCase c;
  c.model.mlp_bias = true;
  c.scale_factor = 3.0;
  WriteTinyModel(c.model, directory.Path("dense"));
  EXPECT_THAT(Convert({directory.Path("dense"), directory.Path("moe")},
                      OptionsOf(c), {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("mlp.down_proj.bias"),
                             HasSubstr("3 (scale_factor)"),
                             HasSubstr("choose a power of two"))));
  EXPECT_THAT(directory.List(), ::testing::ElementsAre("dense"));
}

// Whichever operation fails: nothing is at the path, or all of it.
TEST(ConvertMlpTest, EveryFaultLeavesNothingOrAWholeCheckpoint) {
  using Fault = FaultInjectingFileSystem::Fault;
  const TempDirectory directory;
  MlpCase c;
  c.model.num_layers = 1;
  WriteTinyModel(c.model, directory.Path("dense"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint dense,
      checkpoint::Checkpoint::Open(directory.Path("dense")));
  base::ThreadPool pool(2);
  base::Progress progress(base::Progress::Style::kSilent, {});
  const auto convert = [&](FaultInjectingFileSystem& file_system,
                           const std::string& to) {
    return ConvertMlp(dense, OptionsOf(c), {},
                      {to, /*overwrite=*/false, &file_system}, {pool, progress})
        .status();
  };
  FaultInjectingFileSystem counting;
  MOE_ASSERT_OK(convert(counting, directory.Path("whole")));
  const checkpoint::HostTensors want = ReadTensors(directory.Path("whole"));
  ASSERT_GT(counting.num_operations(), 10);
  for (int64_t n = 0; n < counting.num_operations(); ++n) {
    FaultInjectingFileSystem file_system(Fault::kFailOnward, n);
    const std::string to = directory.Path(absl::StrCat("moe", n));
    EXPECT_FALSE(convert(file_system, to).ok()) << n;
    if (!base::PathExists(to)) continue;
    MOE_EXPECT_OK(checkpoint::Checkpoint::Open(to).status());
    EXPECT_EQ(ReadTensors(to), want) << n;
  }
}

}  // namespace
}  // namespace moe::convert
