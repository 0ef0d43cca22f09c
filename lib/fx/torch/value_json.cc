#include "value_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace trickle::fx {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMostNumbers = 4096;
constexpr int kDeepest = 16;

std::optional<Json> convert(const torch::jit::IValue& value, int depth);

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

template <typename Values>
std::optional<Json> list(const Values& values, int depth) {
  Json made = Json::array();
  for (const torch::jit::IValue& value : values) {
    auto one = convert(value, depth + 1);
    if (!one) return std::nullopt;
    made.push_back(*std::move(one));
  }
  return made;
}

std::optional<Json> tensor(const torch::Tensor& values) {
  if (values.numel() > kMostNumbers) return std::nullopt;
  const torch::Tensor flat = values.to(torch::kCPU, torch::kFloat64).reshape({-1}).contiguous();
  if (values.dim() == 0) return number(flat.item<double>());
  Json made = Json::array();
  for (int64_t i = 0; i < flat.numel(); ++i) made.push_back(number(flat.data_ptr<double>()[i]));
  return made;
}

std::optional<Json> dictionary(const torch::jit::IValue& value, int depth) {
  Json made = Json::object();
  for (const auto& entry : value.toGenericDict()) {
    auto one = convert(entry.value(), depth + 1);
    if (!entry.key().isString() || !one) return std::nullopt;
    made[entry.key().toStringRef()] = *std::move(one);
  }
  return made;
}

std::optional<Json> convert(const torch::jit::IValue& value, int depth) {
  if (depth > kDeepest) return std::nullopt;
  if (value.isNone()) return Json();
  if (value.isBool()) return Json(value.toBool());
  if (value.isInt()) return Json(value.toInt());
  if (value.isDouble()) return number(value.toDouble());
  if (value.isString()) return Json(value.toStringRef());
  if (value.isTensor()) return tensor(value.toTensor());
  if (value.isList()) return list(value.toListRef(), depth);
  if (value.isTuple()) return list(value.toTupleRef().elements(), depth);
  if (value.isGenericDict()) return dictionary(value, depth);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> to_json(const torch::jit::IValue& value) {
  const auto json = convert(value, 0);
  if (!json) return std::nullopt;
  return json->dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace trickle::fx
