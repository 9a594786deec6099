// Background music: a piece that was uploaded, or a few slow chords in the mood that the author named, made here and
// now. It begins when a child asks for it, steps back while somebody speaks, and remembers whether it was wanted.
(() => {
  // Steps above the lowest note for each chord; seconds a chord lasts; how bright it sounds, in hertz.
  const MOODS = {
    calm: { low: 130.81, chords: [[0, 7, 16], [5, 12, 21], [9, 16, 24], [7, 14, 23]], lasts: 9, bright: 900 },
    wonder: { low: 146.83, chords: [[0, 7, 14, 18], [2, 9, 18, 21], [7, 14, 18, 23], [4, 11, 18, 23]], lasts: 8, bright: 1500 },
    adventure: { low: 130.81, chords: [[0, 7, 12, 16], [10, 14, 17, 22], [5, 12, 17, 21], [7, 12, 14, 19]], lasts: 5, bright: 1800 },
    mystery: { low: 110, chords: [[0, 7, 15], [8, 15, 20], [5, 12, 20], [7, 11, 17]], lasts: 8, bright: 700 },
    tense: { low: 98, chords: [[0, 6, 13], [1, 8, 13], [0, 7, 15], [3, 8, 14]], lasts: 6, bright: 600 },
    joyful: { low: 164.81, chords: [[0, 7, 12, 16], [5, 9, 12, 17], [7, 11, 14, 19], [0, 4, 12, 16]], lasts: 4, bright: 2200 },
    sad: { low: 123.47, chords: [[0, 7, 15], [8, 15, 19], [3, 10, 19], [10, 14, 17]], lasts: 9, bright: 700 },
  };
  const LOUD = .16, ASIDE = .03, FADE_S = .5;
  const wanted = () => localStorage.getItem("music") === "on";
  const button = () => document.querySelector("[data-music]");
  let audio = null, out = null, playing = null, timer = 0, turn = 0, tale = null;

  const spoken = () => (window.speechSynthesis?.speaking ?? false) || [...document.querySelectorAll("[data-heard]")].some((one) => !one.paused && !one.ended);
  const level = () => {
    if (out) out.gain.setTargetAtTime(!wanted() ? 0 : spoken() ? ASIDE : LOUD, audio.currentTime, FADE_S / 3);
    document.documentElement.dataset.musicLevel = !wanted() || !audio ? "off" : spoken() ? "aside" : "on";
  };

  const chord = () => {
    const mood = MOODS[playing] ?? MOODS.calm;
    const now = audio.currentTime, until = now + mood.lasts * 1.25;
    const soft = new BiquadFilterNode(audio, { type: "lowpass", frequency: mood.bright });
    const swell = new GainNode(audio, { gain: 0 });
    swell.gain.linearRampToValueAtTime(.3, now + mood.lasts * .4);
    swell.gain.linearRampToValueAtTime(0, until);
    soft.connect(swell).connect(out);
    for (const step of mood.chords[turn % mood.chords.length])
      for (const detune of [-5, 4]) {
        const note = new OscillatorNode(audio, { type: "triangle", frequency: mood.low * 2 ** (step / 12), detune });
        note.connect(soft);
        note.start(now);
        note.stop(until);
      }
    turn += 1;
    timer = setTimeout(chord, mood.lasts * 1000);
  };

  const stop = () => {
    clearTimeout(timer);
    tale?.pause();
    tale = playing = null;
  };
  const play = (mood, piece) => {
    const name = piece || mood;
    if (name === playing) return;
    stop();
    playing = name;
    if (!piece) return chord();
    tale = new Audio(piece);
    tale.loop = true;
    audio.createMediaElementSource(tale).connect(out);
    tale.play().catch(() => { playing = null; });
  };

  // What a scene asks for follows it; a scene without music of its own lets the last one go on.
  const follow = () => {
    const scene = document.querySelector("[data-music-mood]");
    if (button()) { button().hidden = !scene && !playing; button().setAttribute("aria-pressed", String(wanted())); }
    if (audio && wanted() && scene) play(scene.dataset.musicMood, scene.dataset.musicPiece);
    if (audio && wanted()) for (const one of document.querySelectorAll("[data-sound]")) { new Audio(one.dataset.sound).play().catch(() => {}); one.remove(); }
    level();
  };
  const begin = () => {
    if (!audio) {
      audio = new AudioContext();
      out = new GainNode(audio, { gain: 0 });
      out.connect(audio.destination);
      setInterval(level, 250);
    }
    audio.resume();
    follow();
  };

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-music]")) return;
    localStorage.setItem("music", wanted() ? "off" : "on");
    if (wanted()) begin();
    else { stop(); follow(); }
  });
  // A browser plays nothing before a page was touched: what was wanted on the last page begins with the first touch.
  for (const touch of ["pointerdown", "keydown"]) document.addEventListener(touch, () => { if (wanted() && !audio) begin(); }, { once: true });
  document.addEventListener("visibilitychange", () => { if (audio) document.hidden ? audio.suspend() : audio.resume(); });
  document.addEventListener("htmx:after:swap", follow);
  follow();
})();
