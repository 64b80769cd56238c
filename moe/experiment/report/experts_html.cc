#include "moe/experiment/report/experts_html.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/matrix.h"
#include "moe/base/with_commas.h"
#include "moe/experiment/html/chart_axis.h"
#include "moe/experiment/html/heat_map.h"
#include "moe/experiment/html/html_page.h"
#include "moe/experiment/html/line_chart.h"
#include "moe/experiment/report/html_section.h"
#include "moe/experiment/report/report_numbers.h"

namespace moe {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> NumbersIn(const Json& list) {
  std::vector<double> numbers;
  if (!list.is_array()) return numbers;
  for (const Json& number : list) numbers.push_back(NumberOfJson(number));
  return numbers;
}

double Sum(const std::vector<double>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0);
}

// Rows of any lengths; what the shorter ones lack is NaN.
Matrix<double> ToMatrix(const std::vector<std::vector<double>>& rows) {
  size_t cols = 0;
  for (const std::vector<double>& row : rows) cols = std::max(cols, row.size());
  Matrix<double> matrix(static_cast<int64_t>(rows.size()),
                        static_cast<int64_t>(cols));
  std::fill(matrix.values().begin(), matrix.values().end(), kNaN);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy(rows[i].begin(), rows[i].end(),
              matrix.Row(static_cast<int64_t>(i)).begin());
  }
  return matrix;
}

std::string OneDigit(double value) { return absl::StrFormat("%.1f", value); }
std::string WholeNumber(double value) { return absl::StrFormat("%.0f", value); }

// A heat map with a row for each layer that has `field`. Empty if none has.
std::string LayerMap(const Json& layers, const char* field, HeatMap map) {
  std::vector<std::vector<double>> rows;
  for (const Json& layer : layers) {
    const Json* const list = FindField(layer, field);
    if (list == nullptr) continue;
    rows.push_back(NumbersIn(*list));
    map.row_labels.push_back(IntegerIn(layer, "layer"));
  }
  if (rows.empty()) return "";
  map.row_name = "layer";
  map.values = ToMatrix(rows);
  map.format = WholeNumber;
  return FormatHeatMap(map);
}

// ---- Expert load ----

struct Shares {
  std::vector<std::vector<double>> percent;  // Of each layer, of each expert.
  double least = 100, most = 0, even = 0;
};

Shares SharesOf(const Json& load) {
  Shares shares;
  for (const Json& layer : load["tokens"]) {
    std::vector<double> row = NumbersIn(layer);
    const double total = Sum(row);
    for (double& value : row) {
      value = total > 0 ? 100 * value / total : 0;
      shares.least = std::min(shares.least, value);
      shares.most = std::max(shares.most, value);
    }
    if (!row.empty()) shares.even = 100 / static_cast<double>(row.size());
    shares.percent.push_back(std::move(row));
  }
  return shares;
}

std::string LoadFigure(const Json& load) {
  const Shares shares = SharesOf(load);
  const bool is_mlp = TextIn(load, "part") == "mlp";
  HeatMap map;
  map.title = absl::StrCat("load of ", is_mlp ? "MLP" : "attention",
                           " experts in ", TextIn(load, "step"));
  map.row_name = "layer";
  map.col_name = "expert";
  map.value_name = "% of the layer's choices";
  for (const Json& layer : load["layers"]) {
    map.row_labels.push_back(layer.dump());
  }
  map.values = ToMatrix(shares.percent);
  map.format = OneDigit;
  return Figure(
      absl::StrCat(TextIn(load, "step"), ", ", is_mlp ? "MLP" : "attention",
                   " experts: from ", OneDigit(shares.least), " to ",
                   OneDigit(shares.most), " %; even would be ",
                   OneDigit(shares.even), " %"),
      FormatHeatMap(map));
}

HtmlSection LoadSection(const Json& loads) {
  HtmlSection section = {"load", "Where the tokens go", ""};
  if (loads.empty()) return section;
  std::string figures;
  for (const Json& load : loads) absl::StrAppend(&figures, LoadFigure(load));
  section.body = absl::StrCat(
      Paragraph(
          "A router sends each token to a few experts of a layer. Each row is "
          "a layer and each column an expert; the stronger its colour, the "
          "larger the expert's share of all choices that the layer's router "
          "made in an evaluation, in percent. Even colours are good: an expert "
          "that stands out is overworked, and one at 0 is never asked. Layers "
          "that stay dense, and experts that every token goes through, are "
          "left out."),
      FigureGrid(figures));
  return section;
}

// ---- Clusters ----

std::string ClusterTable(const Json& layers) {
  HtmlTable table;
  table.header = {"layer",    "allowed from", "to",
                  "smallest", "largest",      "within bounds",
                  "inertia",  "restarts",     "converged"};
  for (const Json& layer : layers) {
    const std::vector<double> sizes = NumbersIn(layer.value("sizes", Json()));
    if (sizes.empty()) return "";
    const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
    const double low = NumberOfJson(layer.value("min_size", Json()));
    const double high = NumberOfJson(layer.value("max_size", Json()));
    int64_t converged = 0;
    const Json restarts = layer.value("restarts", Json::array());
    for (const Json& restart : restarts) {
      converged += restart.value("has_converged", false);
    }
    table.rows.push_back(
        {IntegerIn(layer, "layer"), IntegerIn(layer, "min_size"),
         IntegerIn(layer, "max_size"), WithCommas(std::llround(*least)),
         WithCommas(std::llround(*most)),
         *least >= low && *most <= high ? "yes" : "no",
         NumberIn(layer, "inertia"), absl::StrCat(restarts.size()),
         absl::StrCat(converged)});
  }
  return FormatHtmlTable(table);
}

std::string RouterHtml(const Json& router) {
  const Json& layers = router["layers"];
  const std::string step = TextIn(router, "step");
  HeatMap sizes;
  sizes.title = absl::StrCat("cluster sizes of ", step);
  sizes.col_name = "cluster";
  sizes.value_name = "tokens";
  const std::string size_map = LayerMap(layers, "sizes", sizes);
  HeatMap routed = sizes;
  routed.title = absl::StrCat("tokens routed to each expert by ", step);
  routed.col_name = "expert";
  const std::string routed_map = LayerMap(layers, "routed_counts", routed);
  std::string figures;
  if (!size_map.empty()) {
    absl::StrAppend(
        &figures,
        Figure(absl::StrCat(step, ": tokens in each cluster"), size_map));
  }
  if (!routed_map.empty()) {
    absl::StrAppend(
        &figures,
        Figure(absl::StrCat(step, ": tokens whose first choice is the expert"),
               routed_map));
  }
  const std::string why = Paragraph(absl::StrCat(
      "Step ", step,
      size_map.empty()
          ? " takes the directions from tokens that it draws at random, so "
            "there are no clusters; the map shows where the routers then send "
            "calibration tokens."
          : " finds the directions by balanced k-means, as the middles of "
            "clusters of calibration tokens. Their sizes must lie within "
            "bounds, so that no expert starts out with nothing, or everything; "
            "where the routers then send tokens is not bound. Inertia is the "
            "sum of squared distances of tokens to the middles of their "
            "clusters: of several restarts, the one with the least counts."));
  return absl::StrCat(why, FigureGrid(figures), ClusterTable(layers));
}

HtmlSection RouterSection(const Json& routers) {
  HtmlSection section = {"clusters", "What the routers come from", ""};
  if (routers.empty()) return section;
  section.body = Paragraph(
      "A router decides by directions in the space of hidden states, one for "
      "each expert, and sends a token where the direction fits best.");
  for (const Json& router : routers) {
    absl::StrAppend(&section.body, RouterHtml(router));
  }
  return section;
}

// ---- Overlap of neurons ----

// "300": of a histogram, all from `from` to before `to`.
std::string CountIn(const std::vector<double>& histogram, size_t from,
                    size_t to) {
  double sum = 0;
  for (size_t i = from; i < std::min(to, histogram.size()); ++i) {
    sum += histogram[i];
  }
  return WithCommas(std::llround(sum));
}

std::string OverlapTable(const Json& layers) {
  HtmlTable table;
  table.header = {"layer",
                  "neurons of an expert",
                  "of the residual one",
                  "wanted by none",
                  "by one",
                  "by several",
                  "given to none",
                  "to one",
                  "to several"};
  for (const Json& layer : layers) {
    const std::vector<double> wanted = NumbersIn(layer.value("wanted", Json()));
    const std::vector<double> taken = NumbersIn(layer.value("taken", Json()));
    table.rows.push_back(
        {IntegerIn(layer, "layer"), IntegerIn(layer, "expert_size"),
         IntegerIn(layer, "residual_size"), CountIn(wanted, 0, 1),
         CountIn(wanted, 1, 2), CountIn(wanted, 2, wanted.size()),
         CountIn(taken, 0, 1), CountIn(taken, 1, 2),
         CountIn(taken, 2, taken.size())});
  }
  return FormatHtmlTable(table);
}

std::string SplitHtml(const Json& split) {
  const std::string step = TextIn(split, "step");
  HeatMap map;
  map.title = absl::StrCat("neurons by how many experts want them, ", step);
  map.col_name = "wanted by";
  map.value_name = "neurons";
  const std::string wanted = LayerMap(split["layers"], "wanted", map);
  if (wanted.empty()) {
    return Paragraph(absl::StrCat(
        "Step ", step, " (", TextIn(split, "command"),
        ") shares neurons out without scores, so no expert wants any."));
  }
  std::string figures = Figure(
      absl::StrCat(step, ": neurons, by how many experts want them"), wanted);
  map.title = absl::StrCat("neurons of the residual expert, ", step);
  const std::string residual =
      LayerMap(split["layers"], "residual_wanted", map);
  if (!residual.empty()) {
    absl::StrAppend(
        &figures,
        Figure(absl::StrCat(step,
                            ": those of the residual expert, by how many want "
                            "them"),
               residual));
  }
  return absl::StrCat(FigureGrid(figures), OverlapTable(split["layers"]));
}

HtmlSection OverlapSection(const Json& splits) {
  HtmlSection section = {"overlap", "Which experts want the same neurons", ""};
  if (splits.empty()) return section;
  section.body = Paragraph(
      "An expert wants the neurons that matter most for its own tokens. Where "
      "several want the same one, all but one do without, or it is copied, or "
      "it goes to a residual expert that every token passes; a neuron that "
      "none wants is still given to one, if all have to be. The more neurons "
      "stand to the right of column 1, the harder the layer is to cut.");
  for (const Json& split : splits) {
    absl::StrAppend(&section.body, SplitHtml(split));
  }
  return section;
}

// ---- Alignment ----

std::string PartName(const Json& block) {
  return TextIn(block, "part") == "mlp" ? "MLP" : "attention";
}

LineChart DistanceChart(const Json& blocks) {
  std::vector<int64_t> layers;
  for (const Json& block : blocks) {
    const auto layer = block.value("layer", int64_t{0});
    if (layers.empty() || layers.back() != layer) layers.push_back(layer);
  }
  std::map<std::string, std::vector<double>> series;
  for (const Json& block : blocks) {
    const auto place =
        static_cast<size_t>(std::find(layers.begin(), layers.end(),
                                      block.value("layer", int64_t{0})) -
                            layers.begin());
    for (const char* const when : {"before", "after"}) {
      auto& values = series[absl::StrCat(PartName(block), " ", when)];
      values.resize(layers.size(), kNaN);
      const Json* const value =
          FindField(block, absl::StrCat("divergence_", when));
      if (value != nullptr) values[place] = NumberOfJson(*value);
    }
  }
  LineChart chart;
  chart.title = "distance to the dense model's blocks";
  chart.x_name = "layer";
  chart.y_name = "divergence, logarithmic";
  chart.scale = AxisScale::kLogarithmic;
  for (const int64_t layer : layers) {
    chart.x_labels.push_back(absl::StrCat(layer));
  }
  for (const char* const name :
       {"MLP before", "MLP after", "attention before", "attention after"}) {
    if (series.count(name) > 0) chart.series.push_back({name, series[name]});
  }
  return chart;
}

std::string AlignmentHtml(const Json& alignment) {
  HtmlTable table;
  table.header = {"layer",         "block",         "before",
                  "after",         "least scale",   "largest scale",
                  "largest shift", "dead features", "without a root"};
  for (const Json& block : alignment["blocks"]) {
    table.rows.push_back(
        {IntegerIn(block, "layer"), PartName(block),
         NumberIn(block, "divergence_before"),
         NumberIn(block, "divergence_after"), NumberIn(block, "least_scale"),
         NumberIn(block, "largest_scale"), NumberIn(block, "largest_abs_bias"),
         IntegerIn(block, "num_dead_features"),
         IntegerIn(block, "num_features_without_root")});
  }
  return absl::StrCat(
      Figure(absl::StrCat(TextIn(alignment, "step"), " (mode ",
                          TextIn(alignment, "alignment_mode"), ", ",
                          TextIn(alignment, "alignment_parts"),
                          "): divergence of each block before and after"),
             FormatLineChart(DistanceChart(alignment["blocks"]))),
      FormatHtmlTable(table));
}

HtmlSection AlignmentSection(const Json& alignments) {
  HtmlSection section = {"alignment", "What alignment did", ""};
  if (alignments.empty()) return section;
  section.body = Paragraph(
      "Alignment scales and shifts what each block with experts puts out, so "
      "that every feature has the mean and variance that it has in the dense "
      "model. The divergence says how far they are apart: the symmetric "
      "Kullback-Leibler divergence of normal distributions with these means "
      "and variances, in nats, averaged over the block's features; 0 is the "
      "same. That the means and variances come back does not say that the "
      "outputs are right: the perplexities above do. Dead features never vary "
      "and are left as they are; features without a root are those for which "
      "no scale gives the variance.");
  for (const Json& alignment : alignments) {
    absl::StrAppend(&section.body, AlignmentHtml(alignment));
  }
  return section;
}

}  // namespace

std::vector<HtmlSection> ExpertsToHtml(const Json& report) {
  return {LoadSection(report["expert_load"]), RouterSection(report["routers"]),
          OverlapSection(report["neuron_splits"]),
          AlignmentSection(report["alignments"])};
}

}  // namespace moe
