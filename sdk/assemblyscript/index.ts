// What `import ... from "@sallyport/assemblyscript"` means.
export * from "./assembly/index";
