/**
 * Plays a film that the user may watch. Its grant, the signed cookies or the signed URL, is valid for minutes and is
 * renewed while the film plays. If it has expired, for example after a pause or a seek, the player gets a new one and
 * continues at the same position.
 *
 * The player uses HLS with signed cookies, or one MP4 file with a signed URL if the browser cannot play HLS.
 */

import { Problem } from "./shared/http.js";

/** A grant is renewed after this part of its lifetime, but not sooner than after these milliseconds. */
const RENEWAL = 0.75;
const SOONEST = 10_000;
/** Seconds of film to fetch ahead. Few, because data transfer costs money even if nobody watches. */
const AHEAD = 15;

/** Fires `refused` when the user may no longer watch the film, and `failed` when it cannot be played. */
export class Player extends EventTarget {
  #video;
  #api;
  #id;
  #formats = [];
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

  /** Loads the film. Throws a Problem with the code NotEntitled, another Problem, or AbortError if closed meanwhile. */
  async open() {
    this.#formats = await formats(this.#video, this.#api, this.#id);
    await this.#load(0);
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#renewal);
    this.#loader?.close();
  }

  async #load(position) {
    const [{ grant, Loader }] = this.#formats;
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
    const lifetime = new Date(end) - Date.now();
    this.#renewal = setTimeout(() => this.#renew(), Math.max(SOONEST, lifetime * RENEWAL));
    return url;
  }

  async #renew() {
    // A paused film needs no grant until it plays again.
    this.#overdue = this.#video.paused;
    if (this.#overdue) return;
    try {
      const url = await this.#granted(this.#formats[0].grant);
      this.#loader.renew(url);
    } catch (problem) {
      if (problem.code === "NotEntitled") this.#end("refused", problem);
      // Until the next try, the buffered part plays.
      else if (!this.#closed) this.#renewal = setTimeout(() => this.#renew(), SOONEST);
    }
  }

  /** Continues at the same position with a new grant. If that fails too, changes to the next format. */
  async #recover({ network }) {
    if (this.#recovering) return;
    this.#recovering = true;
    const position = this.#video.currentTime;
    const playing = !this.#video.paused;
    try {
      if (network && !this.#retried) {
        this.#retried = true;
        this.#loader.load(await this.#granted(this.#formats[0].grant), position);
      } else if (this.#formats.length > 1) {
        this.#formats.shift();
        this.#retried = false;
        await this.#load(position);
      } else {
        throw new Problem("This film cannot be played right now.");
      }
      if (playing) this.#video.play().catch(() => {}); // a failure fires an event
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

/** Returns the formats that this browser can play, the best first. */
async function formats(video, api, id) {
  const session = () => api.session(id);
  const link = () => api.link(id);
  const { default: Hls } = await import("./vendor/hls.light-1.7.4.js");
  const file = { grant: link, Loader: PlainLoader };
  if (Hls.isSupported()) return [{ grant: session, Loader: hlsLoader(Hls) }, file];
  if (video.canPlayType("application/vnd.apple.mpegurl")) return [{ grant: session, Loader: PlainLoader }, file];
  return [file];
}

/** Plays HLS with hls.js, for browsers with Media Source Extensions. */
function hlsLoader(Hls) {
  return class HlsLoader {
    #hls = new Hls({ enableWorker: false, maxBufferLength: AHEAD, maxMaxBufferLength: AHEAD });
    #loaded = false;

    constructor(video, onProgress, onFailure) {
      this.#hls.on(Hls.Events.LEVEL_LOADED, () => (this.#loaded = true));
      this.#hls.on(Hls.Events.FRAG_BUFFERED, onProgress);
      this.#hls.on(Hls.Events.ERROR, (_, { fatal, type, response }) => {
        const refused = response?.code === 403;
        if (refused) this.#hls.stopLoad(); // hls.js would retry with the same expired cookies
        if (refused || fatal) onFailure({ network: type === Hls.ErrorTypes.NETWORK_ERROR });
      });
      this.#hls.attachMedia(video);
    }

    load(url, position) {
      if (this.#loaded) return this.#hls.startLoad(position);
      this.#hls.config.startPosition = position;
      this.#hls.loadSource(url);
    }

    /** Nothing to do: the browser sends the new cookies with the next request. */
    renew() {}

    close() {
      this.#hls.destroy();
    }
  };
}

/** Plays a URL with the browser's own player. */
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
    // A seek interrupts the film anyway, so this is the time to change to the new URL.
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
    const playing = !this.#video.paused;
    this.load(this.#next, this.#video.currentTime);
    if (playing) this.#video.play().catch(() => {}); // as in #recover
  }
}
