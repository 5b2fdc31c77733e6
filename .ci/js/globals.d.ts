// Globals that a script of /docs/assets defines: Swagger UI's bundle.
declare global {
  function SwaggerUIBundle(options: {
    url: string;
    dom_id: string;
    deepLinking: boolean;
    validatorUrl: string | null;
    filter: boolean;
    plugins: (() => { components: Record<string, () => null> })[];
  }): void;
}
export {};
