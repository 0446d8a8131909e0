import { type Client, type ConnectionStatus, connect } from '../typescript/index.ts';
import { find } from './elements.ts';

const line = find('connection', HTMLElement);
const text = find('connection-text', HTMLElement);
const retry = find('connection-retry', HTMLButtonElement);
const dialog = find('key-dialog', HTMLDialogElement);
const keyForm = find('key-form', HTMLFormElement);
const keyField = find('key', HTMLInputElement);
const keyText = find('key-text', HTMLElement);

const keyName = 'latentwire.key';

/** The connection and what the page says about it; asks for a key where the server wants one. */
export class Link {
  client!: Client;
  onopen: () => void = () => {};
  #countdown: ReturnType<typeof setInterval> | undefined;

  constructor() {
    retry.addEventListener('click', () => {
      if (this.client.state.state !== 'closed') this.client.retryNow();
      else if (!dialog.open) dialog.showModal();
    });
    addEventListener('online', () => this.client.retryNow());
    keyForm.addEventListener('submit', () => {
      sessionStorage.setItem(keyName, keyField.value);
      this.#start();
    });
    this.#start();
  }

  #start(): void {
    this.client = connect({
      url: new URL('.', location.href),
      apiKey: sessionStorage.getItem(keyName) ?? undefined,
      waitForServer: true,
    });
    void this.#follow(this.client);
  }

  async #follow(client: Client): Promise<void> {
    for await (const status of client.status) {
      this.#show(status);
      if (status.state === 'open') this.onopen();
    }
  }

  #show(status: ConnectionStatus): void {
    clearInterval(this.#countdown);
    line.dataset.state = status.state;
    retry.hidden = status.state !== 'reconnecting' && status.state !== 'closed';
    retry.textContent = status.state === 'closed' ? 'Enter a key' : 'Try now';
    switch (status.state) {
      case 'connecting':
        text.textContent = 'Connecting…';
        break;
      case 'open':
        text.textContent = 'Connected';
        break;
      case 'reconnecting': {
        const at = performance.now() + status.delayMs;
        const tick = () => {
          const seconds = Math.ceil((at - performance.now()) / 1000);
          text.textContent = seconds > 0 ? `No connection, trying again in ${seconds} s` : 'Connecting…';
        };
        tick();
        this.#countdown = setInterval(tick, 250);
        break;
      }
      case 'closed':
        this.#closed(status.error?.code, status.error?.message ?? 'Disconnected');
    }
  }

  #closed(code: string | undefined, message: string): void {
    text.textContent = message;
    if (code !== 'invalidApiKey' && code !== 'missingApiKey') return;
    const refused = sessionStorage.getItem(keyName) !== null;
    text.textContent = refused ? 'The key was refused' : 'A key is needed';
    if (refused) keyText.textContent = 'The server refused that key. Enter another one.';
    sessionStorage.removeItem(keyName);
    keyField.value = '';
    dialog.showModal();
  }
}
