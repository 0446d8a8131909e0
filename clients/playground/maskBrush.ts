import { find } from './elements.ts';

const dialog = find('mask-dialog', HTMLDialogElement);
const board = find('mask-board', HTMLElement);
const picture = find('mask-picture', HTMLImageElement);
const canvas = find('mask', HTMLCanvasElement);
const ring = find('mask-ring', HTMLElement);
const size = find('mask-size', HTMLInputElement);
const sizeValue = find('mask-size-value', HTMLOutputElement);
const tools = { paint: find('mask-paint', HTMLButtonElement), erase: find('mask-erase', HTMLButtonElement) };

/** Two colours, of which one is seen on any picture. */
const paintColors = ['#ff6a1f', '#fff6ee'] as const;
/** What the eraser of a pen reports as its button. */
const penEraser = 5;
const arrows: Record<string, [x: number, y: number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

interface Point {
  x: number;
  y: number;
}

/** A dialog with a picture and a brush: what is painted there is to change. */
export class MaskBrush {
  /** Told when the dialog has closed after something was painted or erased. */
  onchange: () => void = () => {};
  isEmpty = true;
  readonly #context = canvas.getContext('2d')!;
  /** Opaque; the style makes it translucent. */
  #paint = stripes(canvas);
  #tool: keyof typeof tools = 'paint';
  #changed = false;
  /** Where the stroke is, in pixels of the picture; absent between strokes. */
  #last: Point | undefined;
  /** Where the keyboard's brush stands. */
  #cursor: Point = { x: 0, y: 0 };

  constructor() {
    canvas.addEventListener('pointerdown', (event) => this.#press(event));
    canvas.addEventListener('pointermove', (event) => this.#move(event));
    for (const type of ['pointerup', 'pointercancel'] as const) {
      canvas.addEventListener(type, (event) => {
        if (event.isPrimary) this.#last = undefined;
      });
    }
    canvas.addEventListener('pointerleave', () => this.#showRing(undefined));
    board.addEventListener('keydown', (event) => this.#key(event));
    board.addEventListener('keyup', (event) => {
      if (event.key === ' ') this.#last = undefined;
    });
    board.addEventListener('focus', () => {
      if (board.matches(':focus-visible')) this.#showRing(this.#cursor);
    });
    board.addEventListener('blur', () => {
      this.#last = undefined;
      this.#showRing(undefined);
    });
    for (const [name, button] of Object.entries(tools) as [keyof typeof tools, HTMLButtonElement][]) {
      button.addEventListener('click', () => this.#choose(name));
    }
    size.addEventListener('input', () => this.#drawSize());
    find('mask-invert', HTMLButtonElement).addEventListener('click', () => this.#cover('xor'));
    find('mask-clear', HTMLButtonElement).addEventListener('click', () => this.#cover('destination-out'));
    find('mask-done', HTMLButtonElement).addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => {
      this.#last = undefined;
      this.#showRing(undefined);
      this.settle();
    });
    this.#drawSize();
  }

  /** @param url - the picture to paint over */
  async open(url: string): Promise<void> {
    picture.src = url;
    await picture.decode();
    const { naturalWidth: width, naturalHeight: height } = picture;
    if (this.isEmpty || canvas.width !== width || canvas.height !== height) this.#fit(width, height);
    dialog.style.setProperty('--ratio', String(width / height));
    this.#cursor = { x: width / 2, y: height / 2 };
    this.#choose('paint');
    this.#changed = false;
    dialog.showModal();
  }

  /** Takes over what was painted. A task may be sent after the dialog has closed and before its `close` event comes. */
  settle(): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.isEmpty = !this.#hasPaint();
    this.onchange();
  }

  clear(): void {
    this.#changed = false;
    this.#context.clearRect(0, 0, canvas.width, canvas.height);
    this.isEmpty = true;
  }

  /** Takes a mask that was painted before: white becomes paint. */
  take(bitmap: ImageBitmap): void {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    this.#paint = stripes(canvas);
    this.#context.drawImage(bitmap, 0, 0);
    const pixels = this.#context.getImageData(0, 0, bitmap.width, bitmap.height);
    for (let at = 0; at < pixels.data.length; at += 4) pixels.data[at + 3] = pixels.data[at]!;
    this.#context.putImageData(pixels, 0, 0);
    this.#with('source-in', () => this.#fill());
    this.isEmpty = !this.#hasPaint();
  }

  /** The mask as a task has it: as large as the picture, white where it changes and black where not. */
  async toPNG(): Promise<Blob> {
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const context = copy.getContext('2d')!;
    context.drawImage(canvas, 0, 0);
    context.globalCompositeOperation = 'source-in';
    context.fillStyle = 'white';
    context.fillRect(0, 0, copy.width, copy.height);
    context.globalCompositeOperation = 'destination-over';
    context.fillStyle = 'black';
    context.fillRect(0, 0, copy.width, copy.height);
    return await copy.convertToBlob({ type: 'image/png' });
  }

  /** Draws what is painted into a small square, cut as `object-fit: cover` cuts the picture below it. */
  drawInto(small: HTMLCanvasElement): void {
    const context = small.getContext('2d')!;
    const side = Math.min(canvas.width, canvas.height);
    const [x, y] = [(canvas.width - side) / 2, (canvas.height - side) / 2];
    context.clearRect(0, 0, small.width, small.height);
    context.drawImage(canvas, x, y, side, side, 0, 0, small.width, small.height);
  }

  /** Gives the canvas the picture's size, with what is painted there stretched to it. */
  #fit(width: number, height: number): void {
    const before = new OffscreenCanvas(canvas.width, canvas.height);
    before.getContext('2d')!.drawImage(canvas, 0, 0);
    canvas.width = width;
    canvas.height = height;
    this.#paint = stripes(canvas);
    this.#context.drawImage(before, 0, 0, width, height);
  }

  #press(event: PointerEvent): void {
    // A second finger rests or pinches; it does not paint.
    if (!event.isPrimary || (event.button !== 0 && event.button !== penEraser)) return;
    event.preventDefault();
    board.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    this.#last = this.#pointOf(event);
    this.#stroke(this.#last, event.button === penEraser);
    this.#showRing(this.#last);
  }

  #move(event: PointerEvent): void {
    if (!event.isPrimary) return;
    if (this.#last) {
      // Between two frames a fast hand makes several points; a line through the last alone would have corners.
      const points = event.getCoalescedEvents();
      for (const one of points.length > 0 ? points : [event]) {
        this.#stroke(this.#pointOf(one), (event.buttons & 32) !== 0);
      }
    }
    this.#showRing(this.#pointOf(event));
  }

  #key(event: KeyboardEvent): void {
    const direction = arrows[event.key];
    if (direction) {
      const step = this.#diameter / (event.shiftKey ? 1 : 4);
      this.#cursor = {
        x: Math.min(canvas.width, Math.max(0, this.#cursor.x + direction[0] * step)),
        y: Math.min(canvas.height, Math.max(0, this.#cursor.y + direction[1] * step)),
      };
      if (this.#last) this.#stroke(this.#cursor, false);
    } else if (event.key === ' ') {
      if (!this.#last) this.#stroke(this.#cursor, false);
    } else return;
    event.preventDefault();
    this.#showRing(this.#cursor);
  }

  /** From where the stroke is, or from nothing a single dab. */
  #stroke(to: Point, erases: boolean): void {
    const from = this.#last ?? to;
    this.#last = to;
    this.#changed = true;
    const context = this.#context;
    this.#with(erases || this.#tool === 'erase' ? 'destination-out' : 'source-over', () => {
      context.strokeStyle = this.#paint;
      context.lineWidth = this.#diameter;
      context.lineCap = 'round';
      context.beginPath();
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
      context.stroke();
    });
  }

  /** Combines the whole canvas with paint. */
  #cover(operation: GlobalCompositeOperation): void {
    this.#changed = true;
    this.#with(operation, () => this.#fill());
  }

  #fill(): void {
    this.#context.fillStyle = this.#paint;
    this.#context.fillRect(0, 0, canvas.width, canvas.height);
  }

  #with(operation: GlobalCompositeOperation, draw: () => void): void {
    this.#context.globalCompositeOperation = operation;
    draw();
    this.#context.globalCompositeOperation = 'source-over';
  }

  #hasPaint(): boolean {
    const { data } = this.#context.getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 3; at < data.length; at += 4) if (data[at]! > 0) return true;
    return false;
  }

  #choose(tool: keyof typeof tools): void {
    this.#tool = tool;
    for (const [name, button] of Object.entries(tools)) button.ariaPressed = String(name === tool);
  }

  /** Of the brush, in pixels of the picture. */
  get #diameter(): number {
    return (Number(size.value) / 100) * Math.min(canvas.width, canvas.height);
  }

  #drawSize(): void {
    sizeValue.value = `${size.value} %`;
  }

  #pointOf(event: PointerEvent): Point {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - left) / width) * canvas.width,
      y: ((event.clientY - top) / height) * canvas.height,
    };
  }

  #showRing(at: Point | undefined): void {
    ring.hidden = at === undefined;
    if (at === undefined) return;
    ring.style.left = `${(at.x / canvas.width) * 100}%`;
    ring.style.top = `${(at.y / canvas.height) * 100}%`;
    ring.style.width = `${(this.#diameter / canvas.width) * board.clientWidth}px`;
  }
}

/** Diagonal stripes, as wide on the screen whatever the size of the picture. */
function stripes({ width, height }: HTMLCanvasElement): CanvasPattern {
  const side = Math.max(4, Math.round(Math.min(width, height) / 40));
  const tile = new OffscreenCanvas(side, side);
  const context = tile.getContext('2d')!;
  const [ground, line] = paintColors;
  context.fillStyle = ground;
  context.fillRect(0, 0, side, side);
  context.strokeStyle = line;
  context.lineWidth = side * 0.2;
  // The corners are those of the neighbouring tiles' lines.
  for (const shift of [-side, 0, side]) {
    context.beginPath();
    context.moveTo(shift - side, 2 * side);
    context.lineTo(shift + 2 * side, -side);
    context.stroke();
  }
  return context.createPattern(tile, 'repeat')!;
}
