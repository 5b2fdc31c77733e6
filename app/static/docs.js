SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  filter: true, // a field that finds a group
  // Its check box "Send empty value" is checked at first. So a form would send each field that the user left empty.
  plugins: [() => ({ components: { ParameterIncludeEmpty: () => null } })],
});
