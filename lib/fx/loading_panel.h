// What viewers see while a processor gives no frame: a dark panel with a message and a progress bar.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "trickle/frame.h"
#include "trickle/result.h"

namespace trickle::fx {

/// What the panel shows.
struct PanelContent {
  std::string message = "Loading ...";
  std::optional<double> progress;  ///< From 0 to 1; absent: a bar that moves.
};

/// Draws the panel into the middle of `frame`, whose pixels must be writable. \param seconds moves the bar.
void draw_panel(const PanelContent& content, double seconds, VideoFrame& frame);

/// Whether frames show the panel, and which. Thread-safe.
class LoadingPanel {
 public:
  enum class Mode { kPanel, kPassthrough };

  /// Frames are shown untouched instead of with a panel.
  explicit LoadingPanel(Mode mode = Mode::kPanel) : mode_(mode) {}

  /// Takes `show_loading` (a boolean), `loading_message` (a text) and `loading_progress` (a number from 0 to
  /// 1, or null) out of an update in JSON, all or none of them. \return what is left of it; empty when
  /// nothing is. \return kUsage with a sentence for a wrong value; what is no JSON object comes back as it
  /// is.
  Result<std::string> take_update(std::string_view json_text);

  /// What take_update() changes, to be put back where the rest of an update is refused.
  struct State {
    bool asked_for = false;
    PanelContent content;
  };
  [[nodiscard]] State state() const;
  void restore(State state);

  /// True when the panel was asked for.
  [[nodiscard]] bool asked_for() const;
  /// `frame` as viewers are to see it: with the panel, on pixels of its own.
  [[nodiscard]] VideoFrame show(const VideoFrame& frame) const;

 private:
  const Mode mode_;
  mutable std::mutex mutex_;
  State state_;
};

}  // namespace trickle::fx
