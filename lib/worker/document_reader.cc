#include "worker/document_reader.h"

#include <nlohmann/json.hpp>

#include "base/json_depth.h"

namespace trickle::worker {
namespace {

// Of a document in several lines, which is parsed anew with each of them.
constexpr size_t kMostLines = 256;
constexpr size_t kMostBytesInLines = 64 * 1024;

DocumentReader::Outcome parse(const std::string& text, nlohmann::json& document) {
  if (is_too_deep_json(text)) return DocumentReader::Outcome::kJunk;
  try {
    document = nlohmann::json::parse(text);
    return DocumentReader::Outcome::kDocument;
  } catch (const nlohmann::json::parse_error& error) {
    // The parser says where it stopped: beyond the last byte means that the text is good so far.
    return error.byte > text.size() ? DocumentReader::Outcome::kIncomplete : DocumentReader::Outcome::kJunk;
  } catch (const nlohmann::json::exception&) {
    return DocumentReader::Outcome::kJunk;
  }
}

}  // namespace

DocumentReader::Outcome DocumentReader::take(std::string_view line, nlohmann::json& document) {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return Outcome::kIncomplete;
  const bool continued = !text_.empty();
  text_.append(line);
  text_ += '\n';
  lines_ = continued ? lines_ + 1 : 1;
  const bool too_long = continued && (lines_ > kMostLines || text_.size() > kMostBytesInLines);
  Outcome outcome = text_.size() > limit_bytes_ || too_long ? Outcome::kJunk : parse(text_, document);
  if (outcome == Outcome::kJunk && continued) {
    // The document before it was never completed; this line may begin a good one.
    text_.assign(line);
    const Outcome alone = text_.size() > limit_bytes_ ? Outcome::kJunk : parse(text_, document);
    if (alone == Outcome::kDocument) outcome = alone;
  }
  if (outcome != Outcome::kIncomplete) text_.clear();
  return outcome;
}

}  // namespace trickle::worker
