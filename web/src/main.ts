import { defineApp } from "./pages/app.js";

defineApp();
