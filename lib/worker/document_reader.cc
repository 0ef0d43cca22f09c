#include "worker/document_reader.h"

#include <nlohmann/json.hpp>

namespace trickle::worker {
namespace {

DocumentReader::Outcome parse(const std::string& text, nlohmann::json& document) {
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
  Outcome outcome = text_.size() > limit_bytes_ ? Outcome::kJunk : parse(text_, document);
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
