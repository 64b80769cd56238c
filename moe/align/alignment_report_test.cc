#include "moe/align/alignment_report.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/align/align_model.h"
#include "moe/align/align_options.pb.h"
#include "moe/base/json.h"

namespace moe {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(AlignmentReportTest, HasALineForEachBlock) {
  Alignment alignment;
  alignment.factors.layers[1].attn = {{0.5f, 2.0f}, {-3.0f, 1.0f}};
  alignment.factors.layers[1].mlp = {{1.0f, 1.0f}, {0.0f, 0.25f}};
  alignment.blocks = {{1, "attn", 0, 1, 2.5, 0.125},
                      {1, "mlp", 2, 0, std::nullopt, std::nullopt}};
  AlignOptions options;
  const Json want = {{"alignment_mode", "exact"},
                     {"alignment_parts", "full"},
                     {"blocks",
                      {{{"layer", 1},
                        {"part", "attn"},
                        {"divergence_before", 2.5},
                        {"divergence_after", 0.125},
                        {"num_dead_features", 0},
                        {"num_features_without_root", 1},
                        {"least_scale", 0.5},
                        {"largest_scale", 2.0},
                        {"largest_abs_bias", 3.0}},
                       {{"layer", 1},
                        {"part", "mlp"},
                        {"divergence_before", nullptr},
                        {"divergence_after", nullptr},
                        {"num_dead_features", 2},
                        {"num_features_without_root", 0},
                        {"least_scale", 1.0},
                        {"largest_scale", 1.0},
                        {"largest_abs_bias", 0.25}}}}};
  EXPECT_EQ(AlignmentReportToJson(alignment, options), want);
  EXPECT_THAT(FormatAlignmentReport(alignment, options),
              AllOf(HasSubstr("exact, full\n"), HasSubstr("0.5..2"),
                    HasSubstr("none")));
  options.set_alignment_mode(AlignOptions::PUBLISHED);
  options.set_alignment_parts(AlignOptions::MAGNITUDE);
  EXPECT_EQ(AlignmentReportToJson(alignment, options)["alignment_mode"],
            "published");
  EXPECT_THAT(FormatAlignmentReport(alignment, options),
              HasSubstr("published, magnitude\n"));
}

}  // namespace
}  // namespace moe
