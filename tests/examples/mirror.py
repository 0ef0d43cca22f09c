#!/usr/bin/env python3
"""A filter in Python: frames in, frames out, sound untouched.

trickle-sub URL | trickle-decode | python3 mirror.py | trickle-encode | trickle-pub URL
"""
import sys

import av

# Without these two options the first frame would wait 700 ms for probing.
source = av.open(sys.stdin.buffer, format="nut", options={"probesize": "32", "analyzeduration": "0"})
sink = av.open(
    sys.stdout.buffer, "w", format="nut", options={"syncpoints": "timestamped", "strict": "-2", "flush_packets": "1"}
)
# PyAV 14 gave it this name; before, it was add_stream(template=stream).
add_copy = getattr(sink, "add_stream_from_template", lambda stream: sink.add_stream(template=stream))

outputs = {}
for stream in source.streams:
    if stream.type == "video":
        outputs[stream.index] = video = sink.add_stream("rawvideo", rate=stream.average_rate)
        video.width, video.height, video.pix_fmt = stream.width, stream.height, "rgb24"
        video.codec_context.time_base = stream.time_base
    else:
        outputs[stream.index] = add_copy(stream)

for packet in source.demux():
    if packet.dts is None:
        continue  # PyAV's mark for the end of a stream.
    if packet.stream.type != "video":
        packet.stream = outputs[packet.stream.index]
        sink.mux_one(packet)
        continue
    for frame in packet.decode():
        pixels = frame.to_ndarray(format="rgb24")
        mirrored = av.VideoFrame.from_ndarray(pixels[:, ::-1].copy(), format="rgb24")
        mirrored.pts, mirrored.time_base = frame.pts, frame.time_base
        for encoded in outputs[packet.stream.index].encode(mirrored):
            sink.mux_one(encoded)
sink.close()
