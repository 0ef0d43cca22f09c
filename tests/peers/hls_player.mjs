// Plays an HLS playlist in hls.js in a headless Chromium, and tells as JSON how that went.
// Usage: NODE_PATH=… node hls_player.mjs PLAYLIST-URL SECONDS PICTURE.png
// Exit code 0 when the picture moved on for at least half of the time and no error was fatal.
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_PATH + "/");
const { chromium } = require("playwright-core");
const [url, seconds, picture] = process.argv.slice(2);

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
});
const page = await browser.newPage({ viewport: { width: 640, height: 360 } });
await page.setContent('<body style="margin:0"><video muted style="width:640px;height:360px"></video></body>');
await page.addScriptTag({ path: require.resolve("hls.js/dist/hls.js") });
const result = await page.evaluate(async ([source, duration]) => {
  const video = document.querySelector("video");
  const errors = [];
  const levels = [];
  const hls = new Hls({ liveSyncDurationCount: 2 });
  hls.on(Hls.Events.ERROR, (_, data) => errors.push(`${data.details}${data.fatal ? " (fatal)" : ""}`));
  hls.on(Hls.Events.LEVEL_LOADED, (_, data) =>
    levels.push([data.details.startSN, data.details.endSN, data.details.targetduration]));
  hls.loadSource(source);
  hls.attachMedia(video);
  await new Promise((ready) => hls.on(Hls.Events.MANIFEST_PARSED, ready));
  video.play().catch((error) => errors.push(`play: ${error}`));
  await new Promise((begun) => video.addEventListener("playing", begun, { once: true }));
  const from = video.currentTime;
  await new Promise((done) => setTimeout(done, duration * 1000));
  const quality = video.getVideoPlaybackQuality();
  return {
    played_s: video.currentTime - from,
    width: video.videoWidth,
    height: video.videoHeight,
    frames: quality.totalVideoFrames,
    dropped: quality.droppedVideoFrames,
    latency_s: hls.latency,
    first_playlist: levels[0],
    last_playlist: levels[levels.length - 1],
    playlists: levels.length,
    errors,
    version: Hls.version,
  };
}, [url, Number(seconds)]);
if (picture) await page.screenshot({ path: picture });
await browser.close();
console.log(JSON.stringify(result));
process.exit(result.played_s >= seconds / 2 && !result.errors.some((e) => e.includes("fatal")) ? 0 : 1);
