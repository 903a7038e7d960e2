"use strict";
// Draws labels over time, finds the bout under the pointer or beside the last one, and shows the
// video there. Times are µs: of a recording from its first frame, or on an animal's axis.

const DATA = JSON.parse(document.getElementById("data").textContent);
const HOUR_US = 3.6e9;
const UNSCORED_CELL = 254, EMPTY_CELL = 255;
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
// Lengths of a row for recordings that are shorter than an hour.
const SHORT_ROWS_US = [10, 30, 60, 120, 300, 600, 1200, 1800, 3600].map((seconds) => seconds * 1e6);
const AXIS_PARTS = { 10: 5, 30: 6, 60: 6, 120: 6, 300: 5, 600: 10, 1200: 4, 1800: 6 };

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const printing = matchMedia("print");
let alone = null; // the row of the behaviour that is seen alone

function two(number) { return String(number).padStart(2, "0"); }

function timeText(us) {
  const tenths = Math.floor(us / 1e5), seconds = Math.floor(tenths / 10);
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${tenths % 10}`;
}

function lengthText(us) {
  const seconds = us / 1e6;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 3600 ? `${Math.floor(whole / 60)} min ${two(whole % 60)} s`
    : `${Math.floor(Math.round(seconds / 60) / 60)} h ${two(Math.round(seconds / 60) % 60)} min`;
}

// A clock without a zone: the fields of a UTC date stand for those on the wall.
function clockDate(clock, us) { return new Date(Date.parse(`${clock}Z`) + us / 1e3); }

function clockText(clock, us) {
  const at = clockDate(clock, us);
  return `${WEEKDAYS[at.getUTCDay()]} ${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} `
    + `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
}

function colourOf(row) {
  const probe = document.createElement("span");
  probe.className = `r${row}`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).getPropertyValue("--row").trim();
  probe.remove();
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}
const COLOURS = [...DATA.rows.map((_, row) => colourOf(row)), colourOf("u")];
const UNSCORED_ROW = DATA.rows.length;

// Runs of a track in order of time: starts and ends on the animal's axis; what each is.
class Track {
  constructor(track) {
    this.recording = DATA.recordings[track.recording];
    this.number = track.recording;
    this.at = track.at;
    this.starts = []; this.ends = []; this.rows = []; this.names = []; this.scores = [];
    if (DATA.cellUs === null) this.fromBouts(); else this.fromCells(track);
  }
  push(start, end, row, name, score) {
    this.starts.push(start); this.ends.push(end); this.rows.push(row);
    this.names.push(name); this.scores.push(score);
  }
  fromBouts() {
    const { starts, codes, scores, stop } = this.recording;
    codes.forEach((code, place) => {
      const end = place + 1 < starts.length ? starts[place + 1] : stop;
      const row = code < 0 ? UNSCORED_ROW : DATA.rowOf[code];
      const name = code < 0 ? `unscored: ${DATA.statuses[-1 - code]}` : DATA.labels[code];
      this.push(starts[place] + this.at, end + this.at, row, name, scores[place]);
    });
  }
  fromCells(track) {
    const cells = Uint8Array.from(atob(track.cells), (character) => character.charCodeAt(0));
    const [from, to] = [this.recording.start + this.at, this.recording.stop + this.at];
    for (let first = 0, next; first < cells.length; first = next) {
      for (next = first + 1; next < cells.length && cells[next] === cells[first]; next += 1);
      if (cells[first] === EMPTY_CELL) continue;
      const unscored = cells[first] === UNSCORED_CELL;
      const row = unscored ? UNSCORED_ROW : cells[first];
      this.push(
        Math.max(from, track.cellsAt + first * DATA.cellUs),
        Math.min(to, track.cellsAt + next * DATA.cellUs),
        row, unscored ? "unscored" : DATA.rows[row], null,
      );
    }
  }
  // The run that holds a time; −1 if none does.
  find(us) {
    let low = 0, high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] <= us) low = middle + 1; else high = middle;
    }
    return low && us < this.ends[low - 1] ? low - 1 : -1;
  }
}

class Raster {
  constructor(figure) {
    this.animal = DATA.animals[Number(figure.dataset.animal)];
    this.canvas = figure.querySelector("canvas");
    this.readout = figure.querySelector(".readout");
    this.tracks = null;
    this.chosen = null; // [track, run]
    this.seen = false;
    this.unitName = figure.querySelector(".unit");
    this.unit = figure.querySelector(".rows");
    this.unit?.addEventListener("change", () => this.draw());
    this.canvas.addEventListener("pointermove", (event) => this.say(this.under(event)));
    this.canvas.addEventListener("pointerleave", () => this.say(this.chosen));
    this.canvas.addEventListener("click", (event) => this.clicked(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("focus", () => this.focused());
  }
  load() {
    if (this.tracks) return;
    this.tracks = this.animal.tracks.map((track) => new Track(track));
    const ends = this.tracks.flatMap((track) => track.ends.slice(-1));
    this.canvas.setAttribute("aria-valuemax", Math.round(Math.max(0, ...ends) / 1e6));
  }
  layOut() {
    this.load();
    const ends = this.tracks.flatMap((track) => track.ends.slice(-1));
    const firsts = this.tracks.flatMap((track) => track.starts.slice(0, 1));
    this.origin = 0;
    this.rowUs = HOUR_US;
    if (this.unit?.value === "day") {
      this.rowUs = 24 * HOUR_US;
      if (this.animal.clock) this.origin = -clockDate(this.animal.clock, 0).getUTCHours() * HOUR_US;
    } else if (!this.animal.clock && this.tracks.length === 1) {
      const start = firsts.length ? firsts[0] : 0;
      const length = ends.length ? ends[0] - start : 0;
      if (length < HOUR_US) {
        // A short one fills its row, from where it begins.
        this.rowUs = SHORT_ROWS_US.find((us) => us >= length) ?? HOUR_US;
        this.origin = start;
      }
    }
    // Rows in which nothing was recorded are left out.
    const rows = new Set();
    for (const track of this.tracks) {
      track.starts.forEach((start, run) => {
        const last = Math.floor((track.ends[run] - 1 - this.origin) / this.rowUs);
        for (let row = Math.floor((start - this.origin) / this.rowUs); row <= last; row += 1) rows.add(row);
      });
    }
    this.rows = [...rows].sort((a, b) => a - b);
    this.place = new Map(this.rows.map((row, place) => [row, place]));
    this.pitch = Math.max(4, Math.min(34, Math.round(640 / Math.max(1, this.rows.length))));
    this.left = this.animal.clock ? 84 : 64;
    this.bottom = 22;
    this.width = this.canvas.clientWidth;
    this.columns = Math.max(1, Math.floor(this.width - this.left - 6));
    this.height = this.rows.length * this.pitch + this.bottom;
  }
  // The time of each behaviour in each pixel, (rows, columns, behaviours).
  spent() {
    const kinds = COLOURS.length;
    const spent = new Float32Array(this.rows.length * this.columns * kinds);
    const pixelUs = this.rowUs / this.columns;
    for (const track of this.tracks) {
      for (let run = 0; run < track.starts.length; run += 1) {
        let at = track.starts[run] - this.origin;
        const end = track.ends[run] - this.origin, kind = track.rows[run];
        while (at < end) {
          const row = Math.floor(at / this.rowUs), inRow = at - row * this.rowUs;
          const column = Math.min(this.columns - 1, Math.floor(inRow / pixelUs));
          const border = column === this.columns - 1 ? (row + 1) * this.rowUs : row * this.rowUs + (column + 1) * pixelUs;
          const until = Math.min(end, Math.max(border, at + 1));
          spent[(this.place.get(row) * this.columns + column) * kinds + kind] += until - at;
          at = until;
        }
      }
    }
    return spent;
  }
  draw() {
    this.layOut();
    if (!this.width) return;
    const scale = printing.matches ? 2 : Math.max(1, devicePixelRatio);
    this.canvas.width = Math.round(this.width * scale);
    this.canvas.height = Math.round(this.height * scale);
    this.canvas.style.height = `${this.height}px`;
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    this.style = getComputedStyle(document.body);
    if (this.unitName && this.rowUs < HOUR_US) this.unitName.textContent = this.shortText(this.rowUs);
    this.drawRows(context);
    this.drawAxis(context);
    if (this.chosen) this.drawChosen(context);
    this.seen = true;
  }
  drawRows(context) {
    const kinds = COLOURS.length, spent = this.spent();
    const image = new ImageData(this.columns, this.rows.length);
    const pixelUs = this.rowUs / this.columns;
    for (let pixel = 0; pixel < this.columns * this.rows.length; pixel += 1) {
      let most = -1, mostUs = 0, allUs = 0;
      for (let kind = 0; kind < kinds; kind += 1) {
        const us = spent[pixel * kinds + kind];
        allUs += us;
        if (us > mostUs) { most = kind; mostUs = us; }
      }
      if (most < 0) continue;
      let colour = COLOURS[most], opacity = Math.max(0.25, Math.min(1, allUs / pixelUs));
      if (alone !== null) {
        // However short, what is looked for is seen.
        const us = spent[pixel * kinds + alone];
        colour = us > 0 ? COLOURS[alone] : COLOURS[UNSCORED_ROW];
        opacity = us > 0 ? Math.max(0.5, us / allUs) : 0.13;
      }
      image.data.set([...colour, Math.round(255 * opacity)], pixel * 4);
    }
    const small = document.createElement("canvas");
    small.width = this.columns;
    small.height = this.rows.length;
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    const bar = this.pitch - (this.pitch > 6 ? 2 : 1);
    for (let place = 0; place < this.rows.length; place += 1) {
      context.drawImage(small, 0, place, this.columns, 1, this.left, place * this.pitch, this.columns, bar);
    }
  }
  drawAxis(context) {
    const faint = this.style.getPropertyValue("--faint"), line = this.style.getPropertyValue("--line");
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = faint;
    context.textBaseline = "middle";
    context.textAlign = "right";
    const names = this.rows.map((row, place) => this.rowName(row, place));
    const taken = [];
    for (const wanted of [true, false]) {
      names.forEach(([text, important], place) => {
        const middle = Math.max(7, (place + 0.5) * this.pitch);
        if (important !== wanted || taken.some((other) => Math.abs(other - middle) < 13)) return;
        taken.push(middle);
        context.fillStyle = important ? this.style.getPropertyValue("--text") : faint;
        context.fillText(text, this.left - 8, middle);
        if (important && place) context.fillRect(0, place * this.pitch - 1, this.left + this.columns, 1);
      });
    }
    context.textBaseline = "top";
    const y = this.rows.length * this.pitch;
    const parts = AXIS_PARTS[this.rowUs / 1e6] ?? 6;
    for (let part = 0; part <= parts; part += 1) {
      const x = this.left + (this.columns * part) / parts;
      context.fillStyle = line;
      context.fillRect(Math.min(x, this.left + this.columns - 1), y, 1, 4);
      context.fillStyle = faint;
      context.textAlign = part === parts ? "right" : part ? "center" : "left";
      if (this.columns / parts >= 50 || part % 2 === 0) context.fillText(this.axisText(part / parts), x, y + 7);
    }
  }
  rowName(row, place) {
    const us = row * this.rowUs + this.origin;
    if (this.animal.clock) {
      const at = clockDate(this.animal.clock, us), hour = at.getUTCHours();
      const date = `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
      const day = hour ? `${date} ${two(hour)}:00` : `${WEEKDAYS[at.getUTCDay()]} ${date}`;
      const begins = place === 0 || hour === 0 || this.rows[place - 1] !== row - 1;
      return begins ? [day, true] : [`${two(hour)}:00`, false];
    }
    if (this.rowUs > HOUR_US) return [`day ${row + 1}`, false];
    if (this.rowUs < HOUR_US) return [timeText(us).slice(0, -2), false];
    let inTrack = 0, first = true;
    this.tracks.forEach((track, number) => {
      const begins = Math.floor((track.starts[0] ?? 0) / HOUR_US);
      if (number && begins <= row) { inTrack = Math.floor(track.at / HOUR_US); first = begins === row; }
    });
    return [`hour ${row - inTrack + 1}`, this.tracks.length > 1 && first && place > 0];
  }
  axisText(part) {
    if (this.rowUs === 24 * HOUR_US) return this.animal.clock ? `${two(part * 24)}:00` : `${part * 24} h`;
    if (this.rowUs === HOUR_US) return `${part * 60} min`;
    return `+${this.shortText(this.rowUs * part)}`;
  }
  shortText(us) {
    return this.rowUs <= 1.2e8 ? `${Math.round(us / 1e6)} s` : `${Math.round(us / 6e7)} min`;
  }
  drawChosen(context) {
    const [track, run] = this.chosen;
    context.strokeStyle = this.style.getPropertyValue("--text");
    context.lineWidth = 2;
    let at = track.starts[run] - this.origin;
    const end = track.ends[run] - this.origin;
    while (at < end) {
      const row = Math.floor(at / this.rowUs), until = Math.min(end, (row + 1) * this.rowUs);
      const x = this.left + ((at - row * this.rowUs) / this.rowUs) * this.columns;
      const width = Math.max(3, ((until - at) / this.rowUs) * this.columns);
      context.strokeRect(x - 1, this.place.get(row) * this.pitch - 1, width + 2, this.pitch);
      at = until;
    }
  }
  // The run under the pointer, or beside it: a bout may be narrower than a pixel.
  under(event) {
    if (!this.tracks) return null;
    const box = this.canvas.getBoundingClientRect();
    const row = this.rows[Math.floor((event.clientY - box.top) / this.pitch)];
    const part = (event.clientX - box.left - this.left) / this.columns;
    if (row === undefined || part < 0 || part >= 1) return null;
    const us = this.origin + (row + part) * this.rowUs;
    this.us = us;
    if (alone !== null) {
      const near = (3 * this.rowUs) / this.columns;
      for (const track of this.tracks) {
        const run = track.rows.findIndex((kind, place) => kind === alone && track.starts[place] <= us + near && track.ends[place] > us - near);
        if (run >= 0) return [track, run];
      }
    }
    return this.at(us);
  }
  at(us) {
    for (const track of this.tracks) {
      const run = track.find(us);
      if (run >= 0) return [track, run];
    }
    return null;
  }
  describe([track, run]) {
    const start = track.starts[run] - track.at, length = track.ends[run] - track.starts[run];
    const clock = track.recording.clock ? `, ${clockText(track.recording.clock, start)}` : "";
    const score = track.scores[run] === null || track.scores[run] === undefined ? "" : `, score ${track.scores[run].toFixed(2)}`;
    const of = this.tracks.length > 1 ? `, ${track.recording.name}` : "";
    return `${track.names[run]}: ${timeText(start)}${clock}, ${lengthText(length)}${score}${of}`;
  }
  say(found) { if (found) this.readout.textContent = this.describe(found); }
  choose(found) {
    if (!found) return;
    this.chosen = found;
    const [track, run] = found;
    this.canvas.setAttribute("aria-valuenow", Math.round(track.starts[run] / 1e6));
    this.canvas.setAttribute("aria-valuetext", this.describe(found));
    this.canvas.dataset.start = track.starts[run] - track.at;
    this.canvas.dataset.label = track.names[run];
    this.draw();
    this.say(found);
  }
  focused() {
    if (!this.chosen && this.canvas.matches(":focus-visible")) { this.load(); this.step(1); }
  }
  clicked(event) {
    const found = this.under(event);
    if (!found) return;
    // In a cell or a long bout, the moment that was clicked; the bout's begin if it is short.
    const [track, run] = found;
    const long = (track.ends[run] - track.starts[run]) / this.rowUs > 12 / this.columns;
    this.choose(found);
    this.show(long && this.us > track.starts[run] && this.us < track.ends[run] ? this.us : null);
  }
  show(us = null) {
    if (!this.chosen) return;
    const [track, run] = this.chosen;
    const start = track.starts[run] - track.at;
    viewer.show({
      recording: track.number, start, stop: track.ends[run] - track.at, name: track.names[run],
      from: us === null ? start : us - track.at, raster: this,
    });
  }
  // The next bout in a direction, of the behaviour that is seen alone if there is one.
  step(direction) {
    const bouts = this.tracks.flatMap((track) => track.starts.map((_, run) => [track, run]))
      .filter(([track, run]) => (alone === null ? track.rows[run] !== UNSCORED_ROW : track.rows[run] === alone));
    // A file may begin before the one before it has ended.
    const later = ([track, run], [other, place]) => (
      track.starts[run] - other.starts[place] || this.tracks.indexOf(track) - this.tracks.indexOf(other));
    bouts.sort(later);
    if (!bouts.length) return;
    let next = direction > 0 ? 0 : bouts.length - 1;
    if (this.chosen) {
      next = direction > 0
        ? bouts.findIndex((bout) => later(bout, this.chosen) > 0)
        : bouts.findLastIndex((bout) => later(bout, this.chosen) < 0);
    }
    if (next >= 0) this.choose(bouts[next]);
  }
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    this.load();
    const rowStep = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") this.step(event.key === "ArrowRight" ? 1 : -1);
    else if (rowStep && this.chosen) {
      const [track, run] = this.chosen;
      const there = track.starts[run] + rowStep * this.rowUs;
      this.choose(this.at(there) ?? this.at(there + 1));
    } else if (event.key === "Home" || event.key === "End") {
      this.chosen = null;
      this.step(event.key === "Home" ? 1 : -1);
    } else if (event.key === "Enter" || event.key === " ") this.show();
    else return;
    event.preventDefault();
  }
}

// The panel in which a moment of a video is seen.
const viewer = {
  element: document.getElementById("viewer"),
  body: document.getElementById("viewer-body"),
  note: document.getElementById("viewer-note"),
  stopBox: document.getElementById("viewer-stop"),
  video: null,
  moment: null,

  show(moment) {
    this.moment = moment;
    const recording = DATA.recordings[moment.recording];
    this.element.hidden = false;
    document.getElementById("viewer-title").textContent =
      `${moment.name} · ${recording.name} · ${timeText(moment.from)}`;
    const file = recording.videos.find((video) => moment.from < video.stop) ?? recording.videos.at(-1);
    const step = !moment.raster;
    document.getElementById("viewer-before").disabled = step;
    document.getElementById("viewer-after").disabled = step;
    if (file?.url) this.play(file, recording); else this.strip(file?.why ?? "no video");
  },
  play(file, recording) {
    const { from, start, stop } = this.moment;
    this.note.textContent = `${lengthText(stop - start)} from ${timeText(start)}`;
    if (!this.video || this.video.getAttribute("src") !== file.url) {
      this.video = document.createElement("video");
      this.video.controls = true;
      this.video.muted = true;
      this.video.playsInline = true;
      this.video.preload = "metadata";
      this.video.addEventListener("timeupdate", (event) => this.stopAtEnd(event.target));
      this.video.addEventListener("error", () => {
        this.note.textContent = `The browser cannot play ${file.url}: has it moved, or is it of a kind that it does not know?`;
      });
      this.video.src = file.url;
      this.body.replaceChildren(this.video);
    }
    // The middle of the bout's first frame: its very begin may be shown as the frame before.
    const inFile = (us) => file.first + (us - file.start) / 1e6;
    const seek = inFile(from) + 0.5 / recording.fps;
    this.until = Math.min(inFile(stop), inFile(file.stop));
    this.video.pause();
    this.video.currentTime = seek;
    this.element.dataset.at = seek;
    if (!calm.matches) this.video.play().catch(() => {});
  },
  stopAtEnd(video) {
    if (this.stopBox.checked && !video.paused && video.currentTime >= this.until) video.pause();
  },
  strip(why) {
    this.video?.pause();
    this.video = null;
    const { recording, start, stop } = this.moment;
    const strip = DATA.strips[`${recording}:${start}`];
    if (!Array.isArray(strip)) {
      this.body.replaceChildren();
      this.note.textContent = `No video here: ${why}. ${strip ?? DATA.whyNoStrip}`;
      return;
    }
    const list = document.createElement("ol");
    list.className = "strip";
    strip.forEach((source, place) => {
      const item = document.createElement("li");
      const text = timeText(start + ((place + 0.5) * (stop - start)) / strip.length);
      if (source) {
        const image = document.createElement("img");
        image.src = source;
        image.alt = `The video at ${text}`;
        item.append(image);
      }
      item.append(source ? text : `${text}: cannot be decoded`);
      list.append(item);
    });
    this.body.replaceChildren(list);
    this.note.textContent = `Five pictures, ${lengthText(stop - start)} from ${timeText(start)}. No video here: ${why}.`;
  },
  close() {
    this.video?.pause();
    this.element.hidden = true;
    (this.moment?.raster?.canvas ?? this.moment?.button)?.focus({ preventScroll: true });
  },
  step(direction) {
    const raster = this.moment?.raster;
    if (!raster) return;
    raster.step(direction);
    raster.show();
  },
};

const rasters = [...document.querySelectorAll("figure.raster")].map((figure) => new Raster(figure));
const nearby = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    nearby.unobserve(entry.target);
    rasters.find((raster) => raster.canvas === entry.target).draw();
  }
}, { rootMargin: "600px" });
rasters.forEach((raster) => nearby.observe(raster.canvas));
// Those out of sight are drawn when there is nothing else to do, so that scrolling waits for none;
// of very many that would take too much memory.
const MOST_DRAWN = 60;
function drawWhenIdle(place) {
  if (place >= rasters.length || rasters.length > MOST_DRAWN) return;
  if (!rasters[place].seen) rasters[place].draw();
  requestIdle(() => drawWhenIdle(place + 1));
}
const requestIdle = window.requestIdleCallback ?? ((call) => setTimeout(call, 30));
requestIdle(() => drawWhenIdle(0));

function drawSeen() { rasters.forEach((raster) => { if (raster.seen) raster.draw(); }); }
function drawAll() { rasters.forEach((raster) => raster.draw()); }
// What a link leads to must not lie under what stays at the top.
const kept = [document.querySelector("header"), document.querySelector(".legend")];
function keepClear() {
  const height = kept.reduce((sum, one) => sum + (getComputedStyle(one).position === "sticky" ? one.offsetHeight : 0), 0);
  document.documentElement.style.scrollPaddingTop = `${height + 8}px`;
  kept[1].style.top = `${kept[0].offsetHeight}px`;
}
keepClear();
let resized = 0;
addEventListener("resize", () => {
  cancelAnimationFrame(resized);
  resized = requestAnimationFrame(() => { keepClear(); drawSeen(); });
});
addEventListener("beforeprint", drawAll);
addEventListener("afterprint", drawSeen);
printing.addEventListener("change", (event) => (event.matches ? drawAll() : drawSeen()));

for (const button of document.querySelectorAll(".legend button")) {
  button.addEventListener("click", () => {
    const row = Number(button.dataset.row);
    alone = alone === row ? null : row;
    document.querySelectorAll(".legend button").forEach((other) =>
      other.setAttribute("aria-pressed", String(Number(other.dataset.row) === alone)));
    drawSeen();
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button.seek");
  if (!button) return;
  const { recording, start, stop, label } = button.dataset;
  viewer.show({ recording: Number(recording), start: Number(start), stop: Number(stop), from: Number(start), name: label, button });
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !viewer.element.hidden) viewer.close(); });
document.getElementById("viewer-close").addEventListener("click", () => viewer.close());
document.getElementById("viewer-again").addEventListener("click", () => viewer.show({ ...viewer.moment, from: viewer.moment.start }));
document.getElementById("viewer-before").addEventListener("click", () => viewer.step(-1));
document.getElementById("viewer-after").addEventListener("click", () => viewer.step(1));

document.getElementById("jump").addEventListener("change", (event) => { location.hash = event.target.value; });

const theme = document.getElementById("theme");
const darkByDefault = matchMedia("(prefers-color-scheme: dark)");
function isDark() { return (document.documentElement.dataset.theme ?? (darkByDefault.matches ? "dark" : "light")) === "dark"; }
function nameTheme() { theme.textContent = isDark() ? "Light" : "Dark"; theme.setAttribute("aria-label", `${theme.textContent} page`); }
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
  drawSeen();
});
darkByDefault.addEventListener("change", () => { nameTheme(); drawSeen(); });
nameTheme();

// Tables that a heading sorts; the same heading again turns them round.
for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    if (heading.classList.contains("plain")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      [...table.tHead.rows[0].cells].forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
      const compare = (a, b) => (a && b && !isNaN(a) && !isNaN(b) ? a - b : a.localeCompare(b, undefined, { numeric: true }));
      const sorted = [...table.tBodies[0].rows].sort((a, b) => compare(value(a), value(b)));
      table.tBodies[0].append(...(down ? sorted.reverse() : sorted));
    });
  });
}
