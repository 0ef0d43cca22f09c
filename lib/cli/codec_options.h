// The options of decoding and encoding, the same in every tool that decodes or encodes.
#pragma once

#include <CLI/CLI.hpp>

#include "trickle/codec_options.h"

namespace trickle::cli {

/// Each adds a group of options to `app` that set `options`, which must outlive the parsing.
void add_decode_options(CLI::App& app, DecodeOptions& options);
void add_encode_options(CLI::App& app, EncodeOptions& options);

/// --shm, or TRICKLE_TRANSPORT=shm: frames go to the next tool through shared memory.
void add_shm_option(CLI::App& app, bool& shared_memory);

/// For a tool that does both: --threads goes to both, --audio to the encoder (none: to both).
void add_transcode_options(CLI::App& app, DecodeOptions& decode, EncodeOptions& encode);

}  // namespace trickle::cli
