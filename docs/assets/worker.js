// Search without a server: browsers start no worker from a file, so that its script runs in a frame of the page instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      this.waiting = [];
      document.documentElement.append(frame);
      this.inside = frame.contentWindow;
      this.inside.postMessage = (data) => this.told(data);
      const script = frame.contentDocument.createElement("script");
      script.src = new URL(address, document.baseURI);
      script.onload = () => this.waiting.splice(0).forEach((data) => this.hand(data));
      script.onerror = () => this.dispatchEvent(new ErrorEvent("error"));
      frame.contentDocument.body.append(script);
    }
    told(data) {
      const event = new MessageEvent("message", { data });
      this.dispatchEvent(event);
      this.onmessage?.(event);
    }
    hand(data) {
      this.inside.onmessage(new MessageEvent("message", { data }));
    }
    postMessage(data) {
      if (this.inside.onmessage) setTimeout(() => this.hand(data));
      else this.waiting.push(data);
    }
    terminate() {
      this.inside.frameElement.remove();
    }
  };
}
