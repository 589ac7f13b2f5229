/**
 * Plays a film that was paid for. What opens it lives for minutes and is renewed while it plays; where it has died
 * meanwhile, after a pause or a seek, a new one is asked for and the film goes on from the same place.
 *
 * HLS comes first, opened by cookies, and one MP4 file, opened by a link, where HLS does not play.
 */

import { Problem } from "./shared/http.js";

/** Renewed when this part of its life is over, but not more often than this, in milliseconds. */
const RENEWAL = 0.75;
const LEAST = 10_000;
/** Seconds of film that are fetched ahead: each that nobody watches is paid for as well. */
const AHEAD = 15;

/** Fires `refused` when the film is not open to this person any more, and `failed` when it cannot be played. */
export class Player extends EventTarget {
  #video;
  #api;
  #id;
  #ways = [];
  #loader = null;
  #renewal = 0;
  #overdue = false;
  #retried = false;
  #recovering = false;
  #closed = false;

  /** @param {HTMLVideoElement} video @param {import("./api.js").Api} api @param {string} id of the film */
  constructor(video, api, id) {
    super();
    this.#video = video;
    this.#api = api;
    this.#id = id;
    video.addEventListener("play", () => this.#overdue && this.#renew());
  }

  /** Makes the film ready. Throws a Problem, NotEntitled when it is not paid for, or AbortError when closed. */
  async open() {
    this.#ways = await ways(this.#video, this.#api, this.#id);
    await this.#begin(0);
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#renewal);
    this.#loader?.close();
  }

  async #begin(position) {
    const [{ grant, Loader }] = this.#ways;
    const url = await this.#granted(grant);
    this.#loader?.close();
    this.#loader = new Loader(this.#video, () => (this.#retried = false), (failure) => this.#recover(failure));
    this.#loader.load(url, position);
  }

  async #granted(grant) {
    const { url, expires_at: end } = await grant();
    if (this.#closed) throw new DOMException("The player was closed.", "AbortError");
    clearTimeout(this.#renewal);
    this.#overdue = false;
    const life = new Date(end) - Date.now();
    this.#renewal = setTimeout(() => this.#renew(), Math.max(LEAST, life * RENEWAL));
    return url;
  }

  async #renew() {
    // A film that stands still needs nothing; who goes on watching does.
    this.#overdue = this.#video.paused;
    if (this.#overdue) return;
    try {
      const url = await this.#granted(this.#ways[0].grant);
      this.#loader.renew(url);
    } catch (problem) {
      if (problem.code === "NotEntitled") this.#end("refused", problem);
      else if (!this.#closed) this.#renewal = setTimeout(() => this.#renew(), LEAST); // what was fetched plays on
    }
  }

  /** Goes on from the same place with a new grant; if that was of no use, in the next way. */
  async #recover({ network }) {
    if (this.#recovering) return;
    this.#recovering = true;
    const position = this.#video.currentTime;
    const goOn = !this.#video.paused;
    try {
      if (network && !this.#retried) {
        this.#retried = true;
        this.#loader.load(await this.#granted(this.#ways[0].grant), position);
      } else if (this.#ways.length > 1) {
        this.#ways.shift();
        this.#retried = false;
        await this.#begin(position);
      } else {
        throw new Problem("This film cannot be played here at the moment.");
      }
      if (goOn) this.#video.play().catch(() => {}); // a failure comes as an event of its own
    } catch (problem) {
      if (problem.name !== "AbortError") this.#end(problem.code === "NotEntitled" ? "refused" : "failed", problem);
    } finally {
      this.#recovering = false;
    }
  }

  #end(type, problem) {
    this.close();
    this.dispatchEvent(new CustomEvent(type, { detail: problem }));
  }
}

/** How the film may be played here, the best first. */
async function ways(video, api, id) {
  const session = () => api.session(id);
  const link = () => api.link(id);
  const { default: Hls } = await import("./vendor/hls.light-1.7.4.js");
  const file = { grant: link, Loader: PlainLoader };
  if (Hls.isSupported()) return [{ grant: session, Loader: hlsLoader(Hls) }, file];
  if (video.canPlayType("application/vnd.apple.mpegurl")) return [{ grant: session, Loader: PlainLoader }, file];
  return [file];
}

/** Plays HLS by hls.js, for browsers with Media Source Extensions. */
function hlsLoader(Hls) {
  return class HlsLoader {
    #hls = new Hls({ enableWorker: false, maxBufferLength: AHEAD, maxMaxBufferLength: AHEAD });
    #loaded = false;

    constructor(video, onProgress, onFailure) {
      this.#hls.on(Hls.Events.LEVEL_LOADED, () => (this.#loaded = true));
      this.#hls.on(Hls.Events.FRAG_BUFFERED, onProgress);
      this.#hls.on(Hls.Events.ERROR, (_, { fatal, type, response }) => {
        const refused = response?.code === 403;
        if (refused) this.#hls.stopLoad(); // it would ask again in vain
        if (refused || fatal) onFailure({ network: type === Hls.ErrorTypes.NETWORK_ERROR });
      });
      this.#hls.attachMedia(video);
    }

    load(url, position) {
      if (this.#loaded) return this.#hls.startLoad(position);
      this.#hls.config.startPosition = position;
      this.#hls.loadSource(url);
    }

    /** The cookies are new, and the next request carries them. */
    renew() {}

    close() {
      this.#hls.destroy();
    }
  };
}

/** Has the browser itself play what a URL leads to. */
class PlainLoader {
  #video;
  #url = "";
  #next = "";
  #closing = new AbortController();

  constructor(video, onProgress, onFailure) {
    this.#video = video;
    const { signal } = this.#closing;
    video.addEventListener("canplay", onProgress, { signal });
    video.addEventListener("error", () => onFailure({ network: true }), { signal });
    // While it seeks, the film stands still anyway.
    video.addEventListener("seeking", () => this.#next && this.#change(), { signal });
  }

  load(url, position) {
    this.#url = url;
    this.#next = "";
    const { playbackRate } = this.#video;
    this.#video.src = url;
    Object.assign(this.#video, { currentTime: position, playbackRate });
  }

  renew(url) {
    if (url !== this.#url) this.#next = url;
  }

  close() {
    this.#closing.abort();
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  #change() {
    const goOn = !this.#video.paused;
    this.load(this.#next, this.#video.currentTime);
    if (goOn) this.#video.play().catch(() => {}); // as above
  }
}
